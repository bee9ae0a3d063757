#!lua
-- Puts parts of one message at the end of a conversation's outbox and marks the outbox active.
-- Without allow-oom: when Redis is full, whoever pushes must hear of it.
-- KEYS: outbox, outboxState, activeOutboxes, replies
-- ARGV: lane, keep the count of replies for (ms), '1' for only if nothing was ever appended under this reply key, then
--   each part (JSON without ordinal)
-- Returns {activation, '1' when this call woke the outbox, else ''}, or nil when the reply key was known
local t = redis.call('TIME')
local now = string.format('%.0f', t[1] * 1000 + math.floor(t[2] / 1000))
if ARGV[3] == '1' and redis.call('EXISTS', KEYS[4]) == 1 then
  return nil
end
for i = 4, #ARGV do
  redis.call('RPUSH', KEYS[1], redis.call('INCR', KEYS[4]) .. '\n' .. ARGV[i])
end
redis.call('PEXPIRE', KEYS[4], ARGV[2])
local woken = ''
if redis.call('HGET', KEYS[2], 'active') ~= '1' then
  redis.call('HSET', KEYS[2], 'active', '1')
  redis.call('HINCRBY', KEYS[2], 'activation', 1)
  redis.call('PERSIST', KEYS[2])
  redis.call('ZADD', KEYS[3], now, ARGV[1])
  woken = '1'
end
return { redis.call('HGET', KEYS[2], 'activation'), woken }
