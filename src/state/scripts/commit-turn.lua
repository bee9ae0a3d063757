#!lua flags=allow-oom
-- Ends a turn: the reply goes to the outbox, its messages leave the lane (answered, or as dead letters), the lane goes on
-- or to sleep. Checked by the turn token; repeating it with the same token changes nothing and answers the same.
-- KEYS: 1 laneState, 2 lane, 3 history, 4 cursor, 5 activeLanes, 6 outbox, 7 outboxState, 8 activeOutboxes,
--       9 deadLetters, 10 counters, then the reply counters that the parts name
-- ARGV: 1 turn token, 2 turn id, 3 check token and turn id ('1' or '0'), 4 lane id, 5 entries of history kept, 6 history kept for
--       (ms), 7 reply counters kept for (ms), 8 dead letters kept (about), 9 idle lanes are remembered for (ms),
--       10 number of history entries, 11 of parts, 12 of dead letters, then
--       per reply counter: what it must stand at ('' whatever it is); the history entries;
--       per part: number of its reply counter (1-based), part (JSON without ordinal);
--       per dead letter: number of fields and values, then these
-- Returns {'stale'}; {'used', what each reply counter stands at}: not as it must, and nothing was changed;
--      or {'done', '1' when messages are left, activation of the outbox if it has to be woken, else '0'}
local t = redis.call('TIME')
local now = string.format('%.0f', t[1] * 1000 + math.floor(t[2] / 1000))
local state = redis.call('HMGET', KEYS[1], 'token', 'turnId', 'count', 'doneTurn', 'active', 'large')

local function done(woken)
  local activation = woken and redis.call('HGET', KEYS[7], 'activation') or '0'
  return { 'done', redis.call('HGET', KEYS[1], 'active') == '1' and '1' or '0', activation }
end

if ARGV[3] == '1' and state[1] ~= ARGV[1] then
  redis.call('HINCRBY', KEYS[10], 'staleWrites', 1)
  return { 'stale' }
end
if ARGV[3] == '1' and state[2] ~= ARGV[2] then
  if state[4] == ARGV[2] then
    -- The answer was lost, and with it who had to wake the outbox.
    return done(redis.call('HGET', KEYS[7], 'active') == '1')
  end
  redis.call('HINCRBY', KEYS[10], 'staleWrites', 1)
  return { 'stale' }
end

local counters = #KEYS - 10
for i = 1, counters do
  local must = ARGV[12 + i]
  if must ~= '' and (redis.call('GET', KEYS[10 + i]) or '0') ~= must then
    local answer = { 'used' }
    for j = 1, counters do
      answer[1 + j] = redis.call('GET', KEYS[10 + j]) or '0'
    end
    return answer
  end
end

local at = 13 + counters
for _ = 1, tonumber(ARGV[10]) do
  redis.call('RPUSH', KEYS[3], ARGV[at])
  at = at + 1
end
if tonumber(ARGV[10]) > 0 then
  redis.call('LTRIM', KEYS[3], -tonumber(ARGV[5]), -1)
  redis.call('PEXPIRE', KEYS[3], ARGV[6])
end

local parts, woken = tonumber(ARGV[11]), false
local given, entries = {}, {}
for i = 1, parts do
  local counter = tonumber(ARGV[at + 2 * i - 2])
  given[counter] = (given[counter] or 0) + 1
end
local ordinals = {}
for counter, n in pairs(given) do
  ordinals[counter] = redis.call('INCRBY', KEYS[10 + counter], n) - n
  redis.call('PEXPIRE', KEYS[10 + counter], ARGV[7])
end
for i = 1, parts do
  local counter = tonumber(ARGV[at + 2 * i - 2])
  ordinals[counter] = ordinals[counter] + 1
  entries[i] = string.format('%.0f', ordinals[counter]) .. '\n' .. ARGV[at + 2 * i - 1]
end
at = at + 2 * parts
if parts > 0 then
  -- Lua hands over a few thousand values at once.
  for first = 1, parts, 1000 do
    redis.call('RPUSH', KEYS[6], unpack(entries, first, math.min(first + 999, parts)))
  end
  redis.call('HINCRBY', KEYS[10], 'replies', parts)
  if redis.call('HGET', KEYS[7], 'active') ~= '1' then
    woken = true
    redis.call('HSET', KEYS[7], 'active', '1')
    redis.call('HINCRBY', KEYS[7], 'activation', 1)
    redis.call('PERSIST', KEYS[7])
    redis.call('ZADD', KEYS[8], now, ARGV[4])
  end
end

local letters = tonumber(ARGV[12])
for _ = 1, letters do
  local fields = tonumber(ARGV[at])
  redis.call('XADD', KEYS[9], 'MAXLEN', '~', ARGV[8], '*', unpack(ARGV, at + 1, at + fields))
  at = at + 1 + fields
end
if letters > 0 then
  redis.call('HINCRBY', KEYS[10], 'deadLetters', letters)
end

local freed, large = 0, 0
local taken = tonumber(state[3] or '0')
if taken > 0 then
  for _, entry in ipairs(redis.call('LRANGE', KEYS[2], 0, taken - 1)) do
    freed = freed + #entry
    if #entry > 4096 then
      large = large + #entry
    end
  end
  redis.call('LTRIM', KEYS[2], taken, -1)
end
local bytes = redis.call('HINCRBY', KEYS[4], 'bytes', string.format('%.0f', 0 - freed))
if bytes < 0 then
  redis.call('HSET', KEYS[4], 'bytes', 0)
end
redis.call('HDEL', KEYS[1], 'turnId', 'count', 'crashes', 'attempt', 'nextAttemptAt', 'waitMs', 'lastError',
  'runner')
redis.call('HSET', KEYS[1], 'doneTurn', ARGV[2], 'large', string.format('%.0f', math.max(0, tonumber(state[6] or '0') - large)))
redis.call('HINCRBY', KEYS[10], 'turns', 1)
if redis.call('LLEN', KEYS[2]) == 0 then
  redis.call('HSET', KEYS[1], 'active', '0')
  redis.call('HDEL', KEYS[1], 'hogs')
  redis.call('PEXPIRE', KEYS[1], ARGV[9])
  redis.call('ZREM', KEYS[5], ARGV[4])
end
return done(woken)
