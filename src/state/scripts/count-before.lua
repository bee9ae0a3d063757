#!lua flags=no-writes,allow-oom
-- Counts, in many sorted sets, the members with a score up to a bound.
-- KEYS: sorted sets
-- ARGV: bound (Redis ms)
-- Returns a count per key
local counts = {}
for i = 1, #KEYS do
  counts[i] = redis.call('ZCOUNT', KEYS[i], '-inf', ARGV[1])
end
return counts
