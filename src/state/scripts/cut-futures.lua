#!lua flags=allow-oom
-- Cuts what stands further in the future than it may: the clock was set back since it was stored.
-- KEYS: per connection: activeLanes, activeOutboxes, restarts, parked, wishes, unfit, unfitHosts
-- ARGV: longest rest (ms) of a restart's delay, of the wait for a probe, of a wished placement, of what is remembered of
--       unfit workers, of unfit hosts
-- Returns how many were cut
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local cut = 0
local function text(number)
  return string.format('%.0f', number)
end

-- Lanes that were activated in the future would not be looked at until then.
local function lanes(key)
  for _, lane in ipairs(redis.call('ZRANGEBYSCORE', key, '(' .. text(now), '+inf', 'LIMIT', 0, 1000)) do
    redis.call('ZADD', key, text(now), lane)
    cut = cut + 1
  end
end

local function field(key, name, longest)
  local at = tonumber(redis.call('HGET', key, name) or '0')
  if at > now + longest then
    redis.call('HSET', key, name, text(now + longest))
    cut = cut + 1
  end
end

for i = 1, #KEYS, 7 do
  lanes(KEYS[i])
  lanes(KEYS[i + 1])
  field(KEYS[i + 2], 'notBefore', tonumber(ARGV[1]))
  field(KEYS[i + 3], 'probeAt', tonumber(ARGV[2]))
  field(KEYS[i + 4], 'placeUntil', tonumber(ARGV[3]))
  if redis.call('PTTL', KEYS[i + 5]) > tonumber(ARGV[4]) then
    redis.call('PEXPIRE', KEYS[i + 5], ARGV[4])
    cut = cut + 1
  end
  local hosts, latest = redis.call('HGETALL', KEYS[i + 6]), now + ARGV[5]
  for j = 1, #hosts, 2 do
    local at, why = string.match(hosts[j + 1], '^(%d+)(.*)$')
    if at and tonumber(at) > latest then
      redis.call('HSET', KEYS[i + 6], hosts[j], text(latest) .. why)
      cut = cut + 1
    end
  end
end
return cut
