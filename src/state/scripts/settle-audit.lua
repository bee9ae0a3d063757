#!lua flags=allow-oom
-- The platform's audit has judged a send: one that was refused becomes the dead letter that was kept for it. A verdict that
-- comes before the send is known to wait for one is remembered.
-- KEYS: audit, counters, deadLetters
-- ARGV: 'passed' or 'rejected', an early verdict is remembered for (ms), letters kept
-- Returns 'passed', 'rejected', or 'early': no such send is known (yet, or any more)
-- Repeating it changes nothing.
local kept = redis.call('GET', KEYS[1])
if not kept or kept == 'passed' or kept == 'rejected' then
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
  return 'early'
end
redis.call('DEL', KEYS[1])
if ARGV[1] == 'passed' then
  redis.call('HINCRBY', KEYS[2], 'auditsPassed', 1)
  return 'passed'
end
redis.call('HINCRBY', KEYS[2], 'auditsRejected', 1)
redis.call('HINCRBY', KEYS[2], 'deadLetters', 1)
redis.call('XADD', KEYS[3], 'MAXLEN', '~', ARGV[3], '*', unpack(cjson.decode(kept)))
return 'rejected'
