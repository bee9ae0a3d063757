#!lua flags=allow-oom
-- Stops a send bucket for a while; a longer pause that already runs stays. Its value begins with how long it was to last,
-- so that a clock that is set back does not make it longer.
-- KEYS: pause
-- ARGV: pause (ms), reason
-- Returns what is left of the pause (ms)
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[1]) then
  redis.call('SET', KEYS[1], ARGV[1] .. ' ' .. ARGV[2], 'PX', ARGV[1])
end
return redis.call('PTTL', KEYS[1])
