#!lua flags=allow-oom
-- Trims streams from their old end until each is within its bytes.
-- KEYS: streams
-- ARGV: per stream: most bytes
-- Returns per stream how many entries were removed
local removed = {}
for i, key in ipairs(KEYS) do
  local most = tonumber(ARGV[i])
  removed[i] = 0
  local left = redis.call('XLEN', key)
  while left > 0 do
    local size = redis.call('MEMORY', 'USAGE', key, 'SAMPLES', '0')
    if size <= most then
      break
    end
    -- A little less than by proportion, so that a few rounds do.
    local keep = math.min(left - 1, math.floor(left * most / size * 0.9))
    removed[i] = removed[i] + redis.call('XTRIM', key, 'MAXLEN', keep)
    left = keep
  end
end
return removed
