#!lua flags=allow-oom
-- Records, before any byte goes out, that the head part is being sent.
-- KEYS: outboxState
-- ARGV: delivery token, fence ('1' or ''), attempt id
-- Returns 1, or 0 when someone newer delivers this outbox. Repeating it with the same attempt id changes nothing.
if ARGV[2] == '1' and redis.call('HGET', KEYS[1], 'token') ~= ARGV[1] then
  return 0
end
if redis.call('HGET', KEYS[1], 'started') ~= ARGV[3] then
  redis.call('HSET', KEYS[1], 'started', ARGV[3])
  redis.call('HINCRBY', KEYS[1], 'attempts', 1)
end
return 1
