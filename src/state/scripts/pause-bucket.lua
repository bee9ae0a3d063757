#!lua flags=allow-oom
-- The platform refused a send for its rate: stops the bucket that it named, and a wider one when other conversations that
-- draw from it were refused, too, and none was served in between. A longer pause that already runs stays. The value of a
-- pause begins with how long it was to last, so that a clock that is set back does not make it longer.
-- KEYS: either the bucket's pause, or the wider bucket's pause and refusals, or all three in this order
-- ARGV: pause (ms), 'told' (the platform named the time) or 'own', reason, conversation, refusals count together for (ms),
--       longest pause of the wider bucket (ms)
-- Returns {how long the bucket is paused (ms, 0: none was given), how long the wider one is (the same)}
-- Repeating it changes nothing but the ends of the pauses.
local ms = tonumber(ARGV[1])
local function stop(key, wanted)
  if redis.call('PTTL', key) < wanted then
    redis.call('SET', key, string.format('%.0f', wanted) .. ' ' .. ARGV[2] .. ' ' .. ARGV[3], 'PX', wanted)
  end
  return redis.call('PTTL', key)
end
local paused, wider = 0, 0
if #KEYS ~= 2 then
  paused = stop(KEYS[1], ms)
end
if #KEYS > 1 then
  local t = redis.call('TIME')
  local now = t[1] * 1000 + math.floor(t[2] / 1000)
  local refusals = KEYS[#KEYS]
  local untilMs = string.format('%.0f', now + ARGV[5])
  redis.call('ZREMRANGEBYSCORE', refusals, '-inf', string.format('%.0f', now))
  redis.call('ZREMRANGEBYSCORE', refusals, '(' .. untilMs, '+inf')
  redis.call('ZADD', refusals, untilMs, ARGV[4])
  redis.call('PEXPIRE', refusals, ARGV[5])
  if redis.call('ZCARD', refusals) > 1 then
    wider = stop(KEYS[#KEYS - 1], math.min(ms, tonumber(ARGV[6])))
  end
end
return { paused, wider }
