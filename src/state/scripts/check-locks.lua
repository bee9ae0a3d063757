#!lua flags=allow-oom
-- Looks at the locks of jobs, and cuts those that say they last longer than any lock may.
-- KEYS: locks
-- ARGV: longest believable rest (ms), what a longer one is cut to (ms)
-- Returns per lock what is left of it (ms), at least 1, or 0 when there is none
local left = {}
for i = 1, #KEYS do
  local rest = redis.call('PTTL', KEYS[i])
  if rest > tonumber(ARGV[1]) then
    redis.call('PEXPIRE', KEYS[i], ARGV[2])
    rest = tonumber(ARGV[2])
  end
  left[i] = rest == -2 and 0 or math.max(1, rest)
end
return left
