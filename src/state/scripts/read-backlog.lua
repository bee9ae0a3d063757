#!lua flags=no-writes,allow-oom
-- Reads how much of many connections waits.
-- KEYS: per connection: activeLanes, activeOutboxes, deadLetters, cursor
-- Returns per connection {lanes waiting, since when the oldest does (Redis ms, '' none), outboxes waiting, since when
--          (the same), dead letters, bytes waiting in lanes}
local function oldest(key)
  return redis.call('ZRANGE', key, 0, 0, 'WITHSCORES')[2] or ''
end
local answers = {}
for i = 1, #KEYS, 4 do
  answers[#answers + 1] = { redis.call('ZCARD', KEYS[i]), oldest(KEYS[i]), redis.call('ZCARD', KEYS[i + 1]),
    oldest(KEYS[i + 1]), redis.call('XLEN', KEYS[i + 2]), redis.call('HGET', KEYS[i + 3], 'bytes') or '0' }
end
return answers
