#!lua flags=allow-oom
-- The event that was noted last did its reader no harm.
-- KEYS: lease, reading
-- ARGV: fencing token
-- Returns 1, or 0 when the token is no longer current
if redis.call('HGET', KEYS[1], 'token') ~= ARGV[1] then
  return 0
end
if redis.call('HGET', KEYS[2], 'open') == '1' then
  redis.call('HSET', KEYS[2], 'open', '')
end
return 1
