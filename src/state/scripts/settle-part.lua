#!lua flags=allow-oom
-- Stores what became of the head part, and gives the next one. Emptying the outbox and making it inactive are one step.
-- KEYS: outbox, outboxState, activeOutboxes, counters, deadLetters, replies
-- ARGV: delivery token, fence ('1' or ''), settlement id, lane, idle outboxes are remembered for (ms), action,
-- then by action:
--   done:    name of the counter to raise
--   keep:    doubt ('1': it may have been delivered), code, reason
--   replace: allot ('1': each new part gets an ordinal of its own, else the head's), then the new parts (JSON)
--   dead:    letters kept, then fields and values of the dead letter
-- Returns {'fenced'} when someone newer delivers this outbox
--      or {'idle'} when nothing is left; the outbox is inactive then
--      or {'head', Redis ms, entry}
-- Repeating it with the same settlement id changes nothing and answers the same.
if ARGV[2] == '1' and redis.call('HGET', KEYS[2], 'token') ~= ARGV[1] then
  return { 'fenced' }
end
local t = redis.call('TIME')
local now = string.format('%.0f', t[1] * 1000 + math.floor(t[2] / 1000))
local action = ARGV[6]
if redis.call('HGET', KEYS[2], 'settled') ~= ARGV[3] then
  redis.call('HSET', KEYS[2], 'settled', ARGV[3])
  redis.call('HDEL', KEYS[2], 'started')
  if action == 'keep' then
    redis.call('HINCRBY', KEYS[4], 'sendRetries', 1)
    redis.call('HSET', KEYS[2], 'code', ARGV[8], 'reason', ARGV[9])
    if ARGV[7] == '1' then
      redis.call('HSET', KEYS[2], 'doubt', '1')
    end
  else
    local head = redis.call('LPOP', KEYS[1])
    redis.call('HDEL', KEYS[2], 'attempts', 'since', 'doubt', 'code', 'reason')
    if action == 'done' then
      redis.call('HINCRBY', KEYS[4], ARGV[7], 1)
    elseif action == 'replace' then
      local entries = {}
      for i = 8, #ARGV do
        local ordinal = ARGV[7] == '1' and redis.call('INCR', KEYS[6]) or string.match(head, '^(%d+)\n')
        entries[#entries + 1] = ordinal .. '\n' .. ARGV[i]
      end
      for i = #entries, 1, -1 do
        redis.call('LPUSH', KEYS[1], entries[i])
      end
    elseif action == 'dead' then
      redis.call('HINCRBY', KEYS[4], 'deadLetters', 1)
      redis.call('XADD', KEYS[5], 'MAXLEN', '~', ARGV[7], '*', unpack(ARGV, 8))
    end
  end
end
local entry = redis.call('LINDEX', KEYS[1], 0)
if entry then
  redis.call('HSETNX', KEYS[2], 'since', now)
  return { 'head', now, entry }
end
if redis.call('HGET', KEYS[2], 'active') == '1' then
  redis.call('HSET', KEYS[2], 'active', '0')
  redis.call('HDEL', KEYS[2], 'since')
  redis.call('PEXPIRE', KEYS[2], ARGV[5])
  redis.call('ZREM', KEYS[3], ARGV[4])
end
return { 'idle' }
