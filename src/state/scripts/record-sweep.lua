#!lua flags=allow-oom
-- A scheduler has swept. When the sweep before, by any of them, was long ago, the time between is kept: nobody watched.
-- KEYS: scheduler, sweepGaps
-- ARGV: worker, gap from which on it counts (ms)
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local before = redis.call('HGET', KEYS[1], 'at')
if before and now - before > tonumber(ARGV[2]) then
  redis.call('XADD', KEYS[2], 'MAXLEN', '~', 1000, '*', 'from', before, 'to', string.format('%.0f', now))
end
redis.call('HSET', KEYS[1], 'worker', ARGV[1], 'at', string.format('%.0f', now))
return 1
