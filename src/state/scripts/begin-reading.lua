#!lua flags=allow-oom
-- Notes that the holder is about to read the event at a position, one of several that an earlier holder may have died of.
-- A note that another tenure left open is a death at its position: it ended between this note and the next script. The
-- second one sets the event aside, once, as a dead letter. Each position has its own count, since platforms repeat more
-- than they were asked for: what is read in between takes no death back, and what was set aside is passed over again.
-- KEYS: lease, reading, deadLetters, counters
-- ARGV: fencing token, position, deaths that set it aside, dead letters kept, then fields and values of the dead letter
-- Returns {'fenced'}; {'read', deaths so far}; or {'poison', deaths, '1' when this call set it aside, else ''}
-- Repeating it with the same token and position counts nothing.
if redis.call('HGET', KEYS[1], 'token') ~= ARGV[1] then
  return { 'fenced' }
end
local was = redis.call('HMGET', KEYS[2], 'position', 'token', 'open')
if was[3] == '1' and was[2] ~= ARGV[1] then
  -- Each field took a death, so they are few.
  if redis.call('HLEN', KEYS[2]) > 200 then
    redis.call('DEL', KEYS[2])
  end
  redis.call('HINCRBY', KEYS[2], 'deaths ' .. was[1], 1)
  -- As long as a platform hands out again what it has sent; Telegram: a day.
  redis.call('PEXPIRE', KEYS[2], 86400000)
end
local deaths = tonumber(redis.call('HGET', KEYS[2], 'deaths ' .. ARGV[2]) or '0')
local poison = deaths >= tonumber(ARGV[3])
redis.call('HSET', KEYS[2], 'position', ARGV[2], 'token', ARGV[1], 'open', poison and '' or '1')
if not poison then
  return { 'read', deaths }
end
if redis.call('HSETNX', KEYS[2], 'aside ' .. ARGV[2], '1') == 0 then
  return { 'poison', deaths, '' }
end
redis.call('HSET', KEYS[2], 'poison', '1')
redis.call('XADD', KEYS[3], 'MAXLEN', '~', ARGV[4], '*', unpack(ARGV, 5))
redis.call('HINCRBY', KEYS[4], 'deadLetters', 1)
redis.call('HINCRBY', KEYS[4], 'poison', 1)
return { 'poison', deaths, '1' }
