#!lua flags=allow-oom
-- Says in a connection's records that Redis lost its data, once per loss, whoever notices.
-- KEYS: counters, records
-- ARGV: name of the data that Redis has now, entry of the gap record
-- Returns 1, or 0 when it was said before
if redis.call('HGET', KEYS[1], 'lossNoted') == ARGV[1] then
  return 0
end
redis.call('HSET', KEYS[1], 'lossNoted', ARGV[1])
redis.call('HINCRBY', KEYS[1], 'gaps', 1)
redis.call('XADD', KEYS[2], 'MAXLEN', '~', 1000, '*', 'kind', 'gap', 'entry', ARGV[2])
return 1
