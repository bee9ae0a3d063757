#!lua
-- A dead letter's message goes back to the end of its lane. No allow-oom: it adds a message.
-- KEYS: deadLetters, lane, laneState, activeLanes, cursor
-- ARGV: id of the letter, lane id, lane entry
-- Returns the lane's activation, or 0 when the letter was already gone
if redis.call('XDEL', KEYS[1], ARGV[1]) == 0 then
  return 0
end
redis.call('RPUSH', KEYS[2], ARGV[3])
redis.call('HINCRBY', KEYS[5], 'bytes', #ARGV[3])
if #ARGV[3] > 4096 then
  redis.call('HINCRBY', KEYS[3], 'large', #ARGV[3])
end
if redis.call('HGET', KEYS[3], 'active') ~= '1' then
  local t = redis.call('TIME')
  redis.call('HSET', KEYS[3], 'active', '1')
  redis.call('HINCRBY', KEYS[3], 'activation', 1)
  redis.call('PERSIST', KEYS[3])
  redis.call('ZADD', KEYS[4], string.format('%.0f', t[1] * 1000 + math.floor(t[2] / 1000)), ARGV[2])
end
return tonumber(redis.call('HGET', KEYS[3], 'activation'))
