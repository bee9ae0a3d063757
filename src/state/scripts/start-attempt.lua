#!lua flags=allow-oom
-- Takes one permit from each send bucket of the head part, or none, and records, before any byte goes out, that it is
-- being sent. Sliding windows; while a bucket is exhausted, those who wait for it are ranked by deadline: a permit goes to
-- the lane whose reply window ends first.
-- KEYS: outboxState, then per bucket: log, waiting, due, pause
-- ARGV: delivery token, fence ('1' or ''), attempt id, lane, deadline (Redis ms), grace for waiters that don't come back
--       (ms), then per bucket: count, window (ms)
-- Returns {'started'}, {'wait', how long (ms)}, or {'fenced'}: someone newer delivers this outbox. Repeating it with the same
-- attempt id after it was started changes nothing.
-- A pause that the platform named is kept as the lane's own hold: its parts are not given up for having waited as told.
local state = redis.call('HMGET', KEYS[1], 'token', 'started', 'attempts', 'toldUntil', 'toldMs')
if ARGV[2] == '1' and state[1] ~= ARGV[1] then
  return { 'fenced' }
end
if state[2] == ARGV[3] then
  return { 'started' }
end
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local held = tonumber(state[4] or '0') - now
if held > 0 then
  -- Never more than was told, should the clock have been set back.
  held = math.min(held, tonumber(state[5] or held))
  local ends = string.format('%.0f', now + held)
  redis.call('HSET', KEYS[1], 'toldUntil', ends, 'heldUntil', ends, 'heldBy', 'pause')
  return { 'wait', math.ceil(held) }
end
local lane, deadline, grace = ARGV[4], ARGV[5], tonumber(ARGV[6])
local buckets = (#KEYS - 1) / 4

-- Permits of the future were taken before the clock was set back: they count as taken now.
local function forgetFuture(log, window)
  local newest = redis.call('LINDEX', log, -1)
  if not newest or tonumber(newest) <= now then
    return
  end
  local kept = redis.call('LLEN', log)
  local taken = kept
  while kept > 0 and tonumber(redis.call('LINDEX', log, kept - 1)) > now do
    kept = kept - 1
  end
  for _ = kept + 1, taken do
    redis.call('RPOP', log)
  end
  for _ = kept + 1, taken do
    redis.call('RPUSH', log, string.format('%.0f', now))
  end
  redis.call('PEXPIRE', log, window)
end

-- Whether the platform named the time of the pause that was looked at last.
local isTold = false

-- What is left of a pause, and never more than it was to last.
local function pauseLeft(pause)
  isTold = false
  local left = redis.call('PTTL', pause)
  if left <= 0 then
    return 0
  end
  local value = redis.call('GET', pause)
  local lasts = tonumber(string.match(value, '^(%d+) ') or left)
  if left > lasts then
    redis.call('PEXPIRE', pause, lasts)
  end
  isTold = string.match(value, '^%d+ told ') ~= nil
  return math.min(left, lasts)
end

local longest, paused, told = 0, false, 0
for i = 1, buckets do
  local log, waiting, due, pause = KEYS[4 * i - 2], KEYS[4 * i - 1], KEYS[4 * i], KEYS[4 * i + 1]
  local count, window = tonumber(ARGV[2 * i + 5]), tonumber(ARGV[2 * i + 6])
  forgetFuture(log, window)
  local oldest = redis.call('LINDEX', log, 0)
  while oldest and tonumber(oldest) <= now - window do
    redis.call('LPOP', log)
    oldest = redis.call('LINDEX', log, 0)
  end
  local wait = pauseLeft(pause)
  paused = paused or wait > 0
  if isTold then
    told = math.max(told, wait)
  end
  local rank, others = 0, redis.call('ZCARD', waiting) > 0
  if others then
    -- Nobody is told to wait for longer: who is due later than that was told so before the clock was set back.
    local latest = string.format('%.0f', now + wait + window * (2 + math.floor(redis.call('ZCARD', waiting) / count)))
    for _, ahead in ipairs(redis.call('ZRANGEBYSCORE', due, '(' .. latest, '+inf')) do
      redis.call('ZADD', due, latest, ahead)
    end
    -- A waiter whose worker died must not hold its place for ever.
    for _, gone in ipairs(redis.call('ZRANGEBYSCORE', due, '-inf', string.format('%.0f', now - grace))) do
      redis.call('ZREM', due, gone)
      redis.call('ZREM', waiting, gone)
    end
    redis.call('ZADD', waiting, deadline, lane)
    rank = redis.call('ZRANK', waiting, lane)
  end
  local used = redis.call('LLEN', log)
  if rank >= count - used then
    -- The permit this lane will get is taken back when the one `index` places into the log leaves the window; those
    -- beyond the log come whole windows later.
    local index = rank - (count - used)
    local frees = tonumber(redis.call('LINDEX', log, index % count) or now)
    wait = math.max(wait, frees + window * (1 + math.floor(index / count)) - now)
  elseif wait > 0 then
    wait = wait + math.floor(rank / count) * window
  end
  if wait > 0 then
    redis.call('ZADD', waiting, deadline, lane)
    redis.call('ZADD', due, string.format('%.0f', now + wait), lane)
    redis.call('PEXPIRE', waiting, wait + grace + window)
    redis.call('PEXPIRE', due, wait + grace + window)
    longest = math.max(longest, wait)
  elseif others then
    redis.call('ZREM', due, lane)
    redis.call('ZREM', waiting, lane)
  end
end
if told > 0 then
  redis.call('HSET', KEYS[1], 'toldUntil', string.format('%.0f', now + told), 'toldMs', told)
end
if longest > 0 then
  -- For those who look on.
  redis.call('HSET', KEYS[1], 'heldUntil', string.format('%.0f', now + longest), 'heldBy', paused and 'pause' or 'permits')
  return { 'wait', math.ceil(longest) }
end
for i = 1, buckets do
  redis.call('RPUSH', KEYS[4 * i - 2], string.format('%.0f', now))
  redis.call('PEXPIRE', KEYS[4 * i - 2], ARGV[2 * i + 6])
end
redis.call('HSET', KEYS[1], 'started', ARGV[3], 'attempts', tonumber(state[3] or '0') + 1)
return { 'started' }
