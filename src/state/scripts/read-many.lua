#!lua flags=no-writes,allow-oom
-- Reads strings and chosen fields of hashes of many connections in one step.
-- KEYS: per connection one key for each group
-- ARGV: per group: number of fields, then their names; 0: the key is a string; a single '*': all fields of the hash
-- Returns per key: the string, the values of the fields (null where absent), or all fields and values in turn
local groups, at = {}, 1
while at <= #ARGV do
  local count, fields = tonumber(ARGV[at]), {}
  for i = 1, count do
    fields[i] = ARGV[at + i]
  end
  groups[#groups + 1] = fields
  at = at + count + 1
end
local answers = {}
for i = 1, #KEYS do
  local fields = groups[(i - 1) % #groups + 1]
  if #fields == 0 then
    answers[i] = redis.call('GET', KEYS[i])
  elseif fields[1] == '*' then
    answers[i] = redis.call('HGETALL', KEYS[i])
  else
    answers[i] = redis.call('HMGET', KEYS[i], unpack(fields))
  end
end
return answers
