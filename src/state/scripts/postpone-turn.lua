#!lua flags=allow-oom
-- Lets go of a turn without ending it: it stays frozen, and taking it again is no crash.
-- KEYS: laneState, counters
-- ARGV: 1 turn token, 2 check the token ('1' or '0'), 3 not before (ms from now), 4 count a try ('1' or '0'), 5 why
-- Returns 1, or 0 when the token is no longer current
if ARGV[2] == '1' and redis.call('HGET', KEYS[1], 'token') ~= ARGV[1] then
  redis.call('HINCRBY', KEYS[2], 'staleWrites', 1)
  return 0
end
-- A repeat of this call after a lost answer finds the runner gone, and counts nothing twice.
if (redis.call('HGET', KEYS[1], 'runner') or '') == '' then
  return 1
end
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
redis.call('HSET', KEYS[1], 'runner', '', 'nextAttemptAt', string.format('%.0f', now + ARGV[3]),
  'waitMs', ARGV[3], 'lastError', ARGV[5])
redis.call('HINCRBY', KEYS[1], 'attempt', ARGV[4])
return 1
