#!lua flags=allow-oom
-- A worker says that it lives, and adds what it measured since its last report.
-- KEYS: workers, worker, latencies, workerLog
-- ARGV: worker id, what it says of itself (JSON), forget after (ms), first report of this process ('1' or ''),
--       then per measured count: field, increment
-- Returns Redis time (ms)
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
-- Who reported in the future did so before the clock was set back, and may be gone since.
for _, ahead in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], string.format('(%.0f', now), '+inf')) do
  redis.call('ZADD', KEYS[1], string.format('%.0f', now), ahead)
end
local tooOld = string.format('%.0f', now - ARGV[3])
local before = redis.call('ZSCORE', KEYS[1], ARGV[1])
-- When this one could not report for as long either, Redis was away, and the others are not to be called dead for it.
local away = before and tonumber(before) <= tonumber(tooOld)
if not away then
  for _, gone in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', tooOld)) do
    redis.call('XADD', KEYS[4], 'MAXLEN', '~', 1000, '*', 'worker', gone, 'what', 'died')
  end
end
if ARGV[4] == '1' then
  redis.call('XADD', KEYS[4], 'MAXLEN', '~', 1000, '*', 'worker', ARGV[1], 'what', 'joined')
end
redis.call('ZADD', KEYS[1], string.format('%.0f', now), ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', tooOld)
redis.call('HSET', KEYS[2], 'at', string.format('%.0f', now), 'body', ARGV[2])
redis.call('PEXPIRE', KEYS[2], ARGV[3])
for i = 5, #ARGV, 2 do
  redis.call('HINCRBY', KEYS[3], ARGV[i], ARGV[i + 1])
end
return string.format('%.0f', now)
