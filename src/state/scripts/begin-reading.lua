#!lua flags=allow-oom
-- Notes that the holder is about to read the event at a position, one of several that an earlier holder may have died of.
-- A note that another tenure left open is a death: it ended between this note and the next script. The second death at one
-- position sets the event aside, once, as a dead letter.
-- KEYS: lease, reading, deadLetters, counters
-- ARGV: fencing token, position, deaths that set it aside, dead letters kept, then fields and values of the dead letter
-- Returns {'fenced'}; {'read', deaths so far}; or {'poison', deaths, '1' when this call set it aside, else ''}
-- Repeating it with the same token and position counts nothing.
if redis.call('HGET', KEYS[1], 'token') ~= ARGV[1] then
  return { 'fenced' }
end
local was = redis.call('HMGET', KEYS[2], 'position', 'token', 'open', 'deaths', 'poison')
local deaths = 0
if was[1] == ARGV[2] then
  deaths = tonumber(was[4] or '0')
  if was[5] == '1' then
    return { 'poison', deaths, '' }
  end
  if was[3] == '1' and was[2] ~= ARGV[1] then
    deaths = deaths + 1
  end
end
local poison = deaths >= tonumber(ARGV[3])
redis.call('HSET', KEYS[2], 'position', ARGV[2], 'token', ARGV[1], 'deaths', deaths,
  'open', poison and '' or '1', 'poison', poison and '1' or '')
if not poison then
  return { 'read', deaths }
end
redis.call('XADD', KEYS[3], 'MAXLEN', '~', ARGV[4], '*', unpack(ARGV, 5))
redis.call('HINCRBY', KEYS[4], 'deadLetters', 1)
redis.call('HINCRBY', KEYS[4], 'poison', 1)
return { 'poison', deaths, '1' }
