#!lua flags=allow-oom
-- Gives a busy lane a new activation, so that its next job queues up behind those of other lanes.
-- KEYS: laneState, activeLanes
-- ARGV: activation of the job that ends, lane id
-- Returns the new activation (also when this call is a repeat), or 0 when the lane has moved on
local state = redis.call('HMGET', KEYS[1], 'active', 'activation')
if state[1] ~= '1' then
  return 0
end
if tonumber(state[2]) == ARGV[1] + 1 then
  return tonumber(state[2])
end
if state[2] ~= ARGV[1] then
  return 0
end
local t = redis.call('TIME')
redis.call('ZADD', KEYS[2], string.format('%.0f', t[1] * 1000 + math.floor(t[2] / 1000)), ARGV[2])
return redis.call('HINCRBY', KEYS[1], 'activation', 1)
