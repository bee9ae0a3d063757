#!lua flags=allow-oom
-- Takes the next turn of a lane, or the one that was frozen before. What a turn takes is decided once, here, before the
-- agent hears of it: a turn that is repeated after a crash has the same messages and the same id.
-- KEYS: laneState, lane, history, activeLanes, desired
-- ARGV: 1 activation of the job, 2 lane id, 3 runner (unique per try, so that a repeated call is no crash),
--       4 turn id if a new one is frozen, 5 most messages a turn takes, 6 entries of history wanted,
--       7 runner from which the turn is taken, which counts as a crash ('': from nobody)
-- For those who look on: `began` is the turn and when it was frozen, `taken` its runner and when that took it (Redis ms).
-- Whoever knows neither of them leaves them behind, so each names what it is of.
-- Returns {'removed'}: the connection is no longer wanted; the lane stays as it is
--      or {'over'}: the job is of an earlier activation, or nothing is left
--      or {'waiting', ms until the next try}
--      or {'held', runner that has taken it, ms since the first that found it so}
--      or {'turn', turn token, turn id, crashes so far, tries so far, now (Redis ms), desired, messages,
--          history (oldest first)}
local desired = redis.call('GET', KEYS[5])
if not desired then
  return { 'removed' }
end
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local state = redis.call('HMGET', KEYS[1], 'active', 'activation', 'runner', 'turnId', 'count', 'nextAttemptAt',
  'waitMs')
if state[1] ~= '1' or state[2] ~= ARGV[1] then
  return { 'over' }
end
local waiting = redis.call('LLEN', KEYS[2])
if waiting == 0 then
  redis.call('HSET', KEYS[1], 'active', '0')
  redis.call('ZREM', KEYS[4], ARGV[2])
  return { 'over' }
end
local runner = state[3] or ''
local left = tonumber(state[6] or '0') - now
-- More is left than it was told to wait: the clock was set back. Earlier versions did not note the wait; 15 min was the most.
local told = tonumber(state[7] or '900000')
if left > told then
  left = told
  redis.call('HSET', KEYS[1], 'nextAttemptAt', string.format('%.0f', now + told))
end
if runner == '' and left > 0 then
  return { 'waiting', left }
end
local turnId, count = state[4], tonumber(state[5] or '0')
if not turnId then
  turnId, count = ARGV[4], math.min(waiting, tonumber(ARGV[5]))
  redis.call('HSET', KEYS[1], 'turnId', turnId, 'count', count, 'crashes', 0, 'attempt', 0, 'began',
    turnId .. ' ' .. string.format('%.0f', now))
elseif runner ~= '' and runner ~= ARGV[3] then
  if runner ~= ARGV[7] then
    local found = redis.call('HGET', KEYS[1], 'found') or ''
    local since = string.sub(found, 1, #runner + 1) == runner .. ' ' and tonumber(string.sub(found, #runner + 2))
    -- A clock that was set back must not make it wait longer.
    if not since or since > now then
      since = now
      redis.call('HSET', KEYS[1], 'found', runner .. ' ' .. string.format('%.0f', now))
    end
    return { 'held', runner, now - since }
  end
  redis.call('HINCRBY', KEYS[1], 'crashes', 1)
end
local token = redis.call('HINCRBY', KEYS[1], 'token', 1)
redis.call('HSET', KEYS[1], 'runner', ARGV[3], 'taken', ARGV[3] .. ' ' .. string.format('%.0f', now))
redis.call('HDEL', KEYS[1], 'nextAttemptAt', 'waitMs')
local tries = redis.call('HMGET', KEYS[1], 'crashes', 'attempt')
local history = {}
if tonumber(ARGV[6]) > 0 then
  history = redis.call('LRANGE', KEYS[3], -tonumber(ARGV[6]), -1)
end
return { 'turn', token, turnId, tonumber(tries[1] or '0'), tonumber(tries[2] or '0'), string.format('%.0f', now),
  desired, redis.call('LRANGE', KEYS[2], 0, count - 1), history }
