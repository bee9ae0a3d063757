#!lua flags=allow-oom
-- Takes one permit from each send bucket of a part, or none. Sliding windows; while a bucket is exhausted, those who wait
-- for it are ranked by deadline: a permit goes to the lane whose reply window ends first.
-- KEYS: per bucket: log, waiting, due, pause
-- ARGV: lane, deadline (Redis ms), grace for waiters that don't come back (ms), then per bucket: count, window (ms)
-- Returns 0 when taken, else how long to wait (ms)
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local lane, deadline, grace = ARGV[1], ARGV[2], tonumber(ARGV[3])
local longest = 0
for i = 1, #KEYS / 4 do
  local log, waiting, due, pause = KEYS[4 * i - 3], KEYS[4 * i - 2], KEYS[4 * i - 1], KEYS[4 * i]
  local count, window = tonumber(ARGV[2 * i + 2]), tonumber(ARGV[2 * i + 3])
  local oldest = redis.call('LINDEX', log, 0)
  while oldest and tonumber(oldest) <= now - window do
    redis.call('LPOP', log)
    oldest = redis.call('LINDEX', log, 0)
  end
  -- A waiter whose worker died must not hold its place for ever.
  for _, gone in ipairs(redis.call('ZRANGEBYSCORE', due, '-inf', string.format('%.0f', now - grace))) do
    redis.call('ZREM', due, gone)
    redis.call('ZREM', waiting, gone)
  end
  redis.call('ZADD', waiting, deadline, lane)
  local rank = redis.call('ZRANK', waiting, lane)
  local used = redis.call('LLEN', log)
  local wait = math.max(redis.call('PTTL', pause), 0)
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
    redis.call('ZADD', due, string.format('%.0f', now + wait), lane)
    redis.call('PEXPIRE', waiting, wait + grace + window)
    redis.call('PEXPIRE', due, wait + grace + window)
    longest = math.max(longest, wait)
  else
    redis.call('ZREM', due, lane)
    redis.call('ZREM', waiting, lane)
  end
end
if longest > 0 then
  return math.ceil(longest)
end
for i = 1, #KEYS / 4 do
  redis.call('RPUSH', KEYS[4 * i - 3], string.format('%.0f', now))
  redis.call('PEXPIRE', KEYS[4 * i - 3], ARGV[2 * i + 3])
end
return 0
