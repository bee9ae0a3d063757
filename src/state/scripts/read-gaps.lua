#!lua flags=no-writes,allow-oom
-- Finds the gap records of many connections.
-- KEYS: records, one per connection
-- ARGV: since (Redis ms), records looked at per connection
-- Returns per connection a list of: id of the record, what it says (the first line of its entry), in turn; newest first
local found = {}
for i = 1, #KEYS do
  local gaps = {}
  for _, record in ipairs(redis.call('XREVRANGE', KEYS[i], '+', ARGV[1], 'COUNT', ARGV[2])) do
    if record[2][2] == 'gap' then
      gaps[#gaps + 1] = record[1]
      gaps[#gaps + 1] = string.match(record[2][4], '^[^\n]*')
    end
  end
  found[i] = gaps
end
return found
