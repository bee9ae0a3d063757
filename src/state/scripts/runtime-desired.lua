#!lua
-- Writes or removes the desired record of a connection that is added at run time, and never one of a configuration.
-- KEYS: desired
-- ARGV: mode ('add', 'replace', 'put', 'refresh', 'remove'), record (JSON), 'refresh': the record as it is expected to be
-- Returns 'added', 'replaced', 'removed', or why not: 'exists', 'configured', 'unknown', 'changed'
local before = redis.call('GET', KEYS[1])
local mode = ARGV[1]
if before and cjson.decode(before).source ~= 'runtime' then
  return 'configured'
end
if not before and mode ~= 'add' and mode ~= 'put' then
  return 'unknown'
end
if before and mode == 'add' then
  return 'exists'
end
if mode == 'refresh' and before ~= ARGV[3] then
  return 'changed'
end
if mode == 'remove' then
  redis.call('DEL', KEYS[1])
  return 'removed'
end
redis.call('SET', KEYS[1], ARGV[2])
return before and 'replaced' or 'added'
