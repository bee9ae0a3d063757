#!lua flags=no-writes,allow-oom
-- Reads how much of many connections waits.
-- KEYS: per connection: activeLanes, activeOutboxes, deadLetters, cursor
-- ARGV: how many of the oldest lanes and outboxes are named, dead letters are new after (Redis ms), how many are counted
-- Returns per connection {lanes waiting, the oldest of them with since when (id, Redis ms, …), outboxes waiting, the oldest of
--          them (the same), dead letters, bytes waiting in lanes, new dead letters}
local last, since, most = ARGV[1] - 1, ARGV[2], ARGV[3]
local answers = {}
for i = 1, #KEYS, 4 do
  local letters = redis.call('XLEN', KEYS[i + 2])
  local fresh = letters > 0 and #redis.call('XREVRANGE', KEYS[i + 2], '+', since, 'COUNT', most) or 0
  answers[#answers + 1] = {
    redis.call('ZCARD', KEYS[i]), redis.call('ZRANGE', KEYS[i], 0, last, 'WITHSCORES'),
    redis.call('ZCARD', KEYS[i + 1]), redis.call('ZRANGE', KEYS[i + 1], 0, last, 'WITHSCORES'),
    letters, redis.call('HGET', KEYS[i + 3], 'bytes') or '0', fresh
  }
end
return answers
