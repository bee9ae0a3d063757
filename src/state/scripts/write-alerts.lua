#!lua flags=allow-oom
-- Stores what the judge remembers together with what is to be delivered: neither is ever there without the other.
-- KEYS: lease, memory, deliveries
-- ARGV: who writes, memory ('': unchanged), number of deliveries that are done, their names,
--       then name and JSON of each that is new or changed
-- Returns 1, or 0 when somebody else judges now (nothing is written then)
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return 0
end
if ARGV[2] ~= '' then
  redis.call('SET', KEYS[2], ARGV[2])
end
local done = tonumber(ARGV[3])
for i = 4, 3 + done do
  redis.call('HDEL', KEYS[3], ARGV[i])
end
for i = 4 + done, #ARGV, 2 do
  redis.call('HSET', KEYS[3], ARGV[i], ARGV[i + 1])
end
return 1
