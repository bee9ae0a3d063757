#!lua flags=allow-oom
-- Takes the right to send the parts of one outbox; whoever had it before is fenced.
-- KEYS: outbox, outboxState, activeOutboxes, desired
-- ARGV: lane, activation, idle outboxes are remembered for (ms)
-- Returns {'gone'} when this activation is over
--      or {'idle'} when nothing was left; the outbox is inactive then
--      or {'head', delivery token, Redis ms, entry, attempts, since (ms), '1' when an attempt was started and no
--          result stored, '1' when an earlier attempt may have been delivered, desired ('' none: it was removed),
--          until when the platform told us to wait (Redis ms, '0': it did not)}
local state = redis.call('HMGET', KEYS[2], 'active', 'activation', 'token', 'started')
if state[1] ~= '1' or state[2] ~= ARGV[2] then
  return { 'gone' }
end
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local at = string.format('%.0f', now)
local token = string.format('%.0f', math.max(tonumber(state[3] or '0') + 1, now))
redis.call('HSET', KEYS[2], 'token', token)
local entry = redis.call('LINDEX', KEYS[1], 0)
if not entry then
  redis.call('HSET', KEYS[2], 'active', '0')
  redis.call('HDEL', KEYS[2], 'started', 'attempts', 'since', 'doubt', 'code', 'reason', 'heldUntil', 'heldBy')
  redis.call('PEXPIRE', KEYS[2], ARGV[3])
  redis.call('ZREM', KEYS[3], ARGV[1])
  return { 'idle' }
end
redis.call('HSETNX', KEYS[2], 'since', at)
local interrupted = ''
if (state[4] or '') ~= '' then
  interrupted = '1'
  redis.call('HSET', KEYS[2], 'doubt', '1')
end
local head = redis.call('HMGET', KEYS[2], 'attempts', 'since', 'doubt', 'toldUntil')
return { 'head', token, at, entry, head[1] or '0', head[2], interrupted, head[3] or '',
  redis.call('GET', KEYS[4]) or '', head[4] or '0' }
