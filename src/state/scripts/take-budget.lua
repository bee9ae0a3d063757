#!lua flags=allow-oom
-- Takes one permit from every limit of a budget, or none. Sliding windows over one log of permits.
-- KEYS: budget
-- ARGV: permit id (asking again under the same id does not take a second one), then per limit: count, window (ms)
-- Returns {1}, or {0, how long until it can be (ms), index of the limit that takes longest (0-based)}
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
if redis.call('ZSCORE', KEYS[1], ARGV[1]) then
  return { 1 }
end
local longest, by, window = 0, 0, 0
for i = 1, (#ARGV - 1) / 2 do
  window = math.max(window, tonumber(ARGV[2 * i + 1]))
end
-- Permits of the future were taken before the clock was set back: they count as taken now.
for _, permit in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], string.format('(%.0f', now), '+inf')) do
  redis.call('ZADD', KEYS[1], string.format('%.0f', now), permit)
end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now - window))
for i = 1, (#ARGV - 1) / 2 do
  local count, span = tonumber(ARGV[2 * i]), tonumber(ARGV[2 * i + 1])
  local used = redis.call('ZCOUNT', KEYS[1], string.format('(%.0f', now - span), '+inf')
  if used >= count then
    local wait = span
    if count > 0 then
      -- Once the count-th newest has left the window there is room for one.
      local frees = redis.call('ZREVRANGE', KEYS[1], count - 1, count - 1, 'WITHSCORES')
      wait = math.max(1, frees[2] + span - now)
    end
    if wait > longest then
      longest, by = wait, i - 1
    end
  end
end
if longest > 0 then
  return { 0, math.ceil(longest), by }
end
redis.call('ZADD', KEYS[1], string.format('%.0f', now), ARGV[1])
redis.call('PEXPIRE', KEYS[1], window)
return { 1 }
