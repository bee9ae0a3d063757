#!lua flags=allow-oom
-- Stores what became of the head part, and gives the next one. Emptying the outbox and making it inactive are one step.
-- KEYS: outbox, outboxState, activeOutboxes, counters, deadLetters, replies, refusals of the widest bucket, audit
-- ARGV: delivery token, fence ('1' or ''), settlement id, entry that is settled, lane, idle outboxes are remembered for
-- (ms), action, then by action:
--   done:    name of the counter to raise
--   audit:   the platform audits it: letters kept, how long a verdict is waited for (ms), then fields and values of the dead
--            letter that it becomes when the audit says no
--   drop:    nothing
--   keep:    doubt ('1': it may have been delivered), code, reason, not to be tried again before (ms from now), how long
--            the platform told us to wait with the conversation (ms, '' it did not)
--   replace: allot ('1': each new part gets an ordinal of its own, else the head's), then the new parts (JSON)
--   dead:    letters kept, then fields and values of the dead letter
--   refused: as dead, but before the fields: a part (JSON) that tells people so. It takes the head's place, unless one
--            was put there before under the same reply key
-- Returns {'fenced'} when someone newer delivers this outbox
--      or {'idle'} when nothing is left; the outbox is inactive then
--      or {'head', Redis ms, entry, until when the platform told us to wait (Redis ms, '0': it did not)}
-- Repeating it with the same settlement id changes nothing and answers the same. A copy that arrives late, after later
-- settlements of the same delivery, must not settle another part: the entry is no longer the head then.
local state = redis.call('HMGET', KEYS[2], 'token', 'settled', 'active', 'toldUntil')
if ARGV[2] == '1' and state[1] ~= ARGV[1] then
  return { 'fenced' }
end
local t = redis.call('TIME')
local nowMs = t[1] * 1000 + math.floor(t[2] / 1000)
local now = string.format('%.0f', nowMs)
local action = ARGV[7]
if state[2] ~= ARGV[3] and redis.call('LINDEX', KEYS[1], 0) == ARGV[4] then
  redis.call('HSET', KEYS[2], 'settled', ARGV[3])
  if action == 'keep' then
    redis.call('HDEL', KEYS[2], 'started')
    redis.call('HINCRBY', KEYS[4], 'sendRetries', 1)
    redis.call('HSET', KEYS[2], 'code', ARGV[9], 'reason', ARGV[10],
      'heldUntil', string.format('%.0f', nowMs + ARGV[11]), 'heldBy', 'retry')
    if ARGV[8] == '1' then
      redis.call('HSET', KEYS[2], 'doubt', '1')
    end
    if ARGV[12] ~= '' then
      state[4] = string.format('%.0f', nowMs + ARGV[12])
      redis.call('HSET', KEYS[2], 'toldUntil', state[4], 'toldMs', ARGV[12])
    end
  else
    local head = redis.call('LPOP', KEYS[1])
    redis.call('HDEL', KEYS[2], 'started', 'attempts', 'since', 'doubt', 'code', 'reason',
      'heldUntil', 'heldBy')
    if action == 'done' then
      redis.call('HINCRBY', KEYS[4], ARGV[8], 1)
      redis.call('DEL', KEYS[7])
    elseif action == 'audit' then
      redis.call('HINCRBY', KEYS[4], 'auditsPending', 1)
      local verdict = redis.call('GET', KEYS[8])
      if verdict == 'rejected' then
        redis.call('HINCRBY', KEYS[4], 'auditsRejected', 1)
        redis.call('HINCRBY', KEYS[4], 'deadLetters', 1)
        redis.call('XADD', KEYS[5], 'MAXLEN', '~', ARGV[8], '*', unpack(ARGV, 10))
      elseif verdict == 'passed' then
        redis.call('HINCRBY', KEYS[4], 'auditsPassed', 1)
      else
        redis.call('SET', KEYS[8], cjson.encode({ unpack(ARGV, 10) }), 'PX', ARGV[9])
      end
    elseif action == 'replace' then
      local entries = {}
      for i = 9, #ARGV do
        local ordinal = ARGV[8] == '1' and redis.call('INCR', KEYS[6]) or string.match(head, '^(%d+)\n')
        entries[#entries + 1] = ordinal .. '\n' .. ARGV[i]
      end
      for i = #entries, 1, -1 do
        redis.call('LPUSH', KEYS[1], entries[i])
      end
    elseif action == 'dead' or action == 'refused' then
      redis.call('HINCRBY', KEYS[4], 'deadLetters', 1)
      redis.call('XADD', KEYS[5], 'MAXLEN', '~', ARGV[8], '*', unpack(ARGV, action == 'dead' and 9 or 10))
      if action == 'refused' and redis.call('HGET', KEYS[2], 'told') ~= KEYS[6] then
        redis.call('HSET', KEYS[2], 'told', KEYS[6])
        redis.call('LPUSH', KEYS[1], redis.call('INCR', KEYS[6]) .. '\n' .. ARGV[9])
      end
    end
  end
end
local entry = redis.call('LINDEX', KEYS[1], 0)
if entry then
  redis.call('HSETNX', KEYS[2], 'since', now)
  return { 'head', now, entry, state[4] or '0' }
end
if state[3] == '1' then
  redis.call('HSET', KEYS[2], 'active', '0')
  redis.call('HDEL', KEYS[2], 'since')
  redis.call('PEXPIRE', KEYS[2], ARGV[6])
  redis.call('ZREM', KEYS[3], ARGV[5])
end
return { 'idle' }
