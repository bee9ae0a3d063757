#!lua flags=allow-oom
-- Takes or renews the right to judge and deliver alerts, or gives it back.
-- KEYS: lease
-- ARGV: who asks, for how long (ms); 0: gives it back
-- Returns {'taken' (it was free), 'kept' (it was ours) or 'other' (somebody else has it), Redis time (ms)}
local t = redis.call('TIME')
local now = string.format('%.0f', t[1] * 1000 + math.floor(t[2] / 1000))
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then
  -- It would last longer than any is given: the clock was set back.
  if ARGV[2] ~= '0' and redis.call('PTTL', KEYS[1]) > tonumber(ARGV[2]) then
    redis.call('PEXPIRE', KEYS[1], ARGV[2])
  end
  return { 'other', now }
end
if ARGV[2] == '0' then
  redis.call('DEL', KEYS[1])
else
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
end
return { holder and 'kept' or 'taken', now }
