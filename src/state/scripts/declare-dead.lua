#!lua flags=allow-oom
-- Takes the lease away from a holder judged dead or wedged, if it still is the one observed. Idempotent.
-- KEYS: lease, heartbeat, history
-- ARGV: observed fencing token, reason
-- The lease keeps when the holder was last heard of, for whoever measures how long the takeover took.
-- Returns 1 when this call fenced it, 0 when it had already changed
if redis.call('HGET', KEYS[1], 'token') ~= ARGV[1] then
  return 0
end
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local heardAt = redis.call('HGET', KEYS[2], 'at') or string.format('%.0f', now)
redis.call('HSET', KEYS[1], 'token', string.format('%.0f', ARGV[1] + 1), 'owner', '', 'until', '0',
  'endedAt', string.format('%.0f', now), 'endedBecause', ARGV[2],
  'lostAt', heardAt)
redis.call('DEL', KEYS[2])
redis.call('XADD', KEYS[3], 'MAXLEN', '~', 1000, '*', 'what', 'declared-dead', 'token', ARGV[1], 'detail', ARGV[2],
  'heardAt', heardAt)
return 1
