#!lua flags=allow-oom
-- The holder's last write: gives the lease back, records why, and parks or delays the connection if so decided.
-- KEYS: lease, heartbeat, history, parked, restarts, counters
-- ARGV: fencing token, end ('released', 'parked' or 'bug'), reason, error code,
--       parked: fingerprint, probe after (ms) | bug: delay before the next start (ms), stable ('1': count from 0)
--       In place of the error code a release has who leaves it: 'process', 'nobody-wants', or '' for any other reason
-- Returns 1, or 0 when the token is no longer current (nothing is written then)
-- The token is raised by one: writes of the ended tenure that are still under way are refused from here on.
if redis.call('HGET', KEYS[1], 'token') ~= ARGV[1] then
  redis.call('HINCRBY', KEYS[6], 'staleWrites', 1)
  return 0
end
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
redis.call('HSET', KEYS[1], 'token', string.format('%.0f', ARGV[1] + 1), 'owner', '', 'until', '0',
  'endedAt', string.format('%.0f', now), 'endedBecause', ARGV[3], 'endedAs', ARGV[2])
redis.call('DEL', KEYS[2])
redis.call('XADD', KEYS[3], 'MAXLEN', '~', 1000, '*', 'what', ARGV[2], 'token', ARGV[1], 'detail', ARGV[3],
  'why', ARGV[2] == 'released' and ARGV[4] or '')
if ARGV[2] == 'parked' then
  redis.call('HSETNX', KEYS[4], 'since', string.format('%.0f', now))
  redis.call('HSET', KEYS[4], 'reason', ARGV[3], 'code', ARGV[4], 'fingerprint', ARGV[5],
    'probeAt', string.format('%.0f', now + ARGV[6]))
elseif ARGV[2] == 'bug' then
  if ARGV[6] == '1' then
    redis.call('DEL', KEYS[5])
  end
  redis.call('HINCRBY', KEYS[5], 'count', 1)
  redis.call('HSET', KEYS[5], 'notBefore', string.format('%.0f', now + ARGV[5]), 'reason', ARGV[3])
end
return 1
