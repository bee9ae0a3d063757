#!lua flags=allow-oom
-- A worker says that it lives, and adds what it measured since its last report.
-- KEYS: workers, worker, latencies
-- ARGV: worker id, what it says of itself (JSON), forget after (ms), then per measured count: field, increment
-- Returns the live workers that hold connections: ids seen within `forget after`
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
redis.call('ZADD', KEYS[1], string.format('%.0f', now), ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now - ARGV[3]))
redis.call('HSET', KEYS[2], 'at', string.format('%.0f', now), 'body', ARGV[2])
redis.call('PEXPIRE', KEYS[2], ARGV[3])
for i = 4, #ARGV, 2 do
  redis.call('HINCRBY', KEYS[3], ARGV[i], ARGV[i + 1])
end
return redis.call('ZRANGE', KEYS[1], 0, -1)
