#!lua flags=allow-oom
-- Grants a connection's lease unless another unexpired one stands.
-- KEYS: lease, cursor, counters, wishes, heartbeat, history, restarts, reading
-- ARGV: owner, incarnation, job token, lease (ms)
-- Returns {'busy', ms left, owner}
--      or {'granted', fencing token, cursor text ('' if none), restart wish, bug count,
--          ms since another worker, which was lost, was last heard of as the holder ('' when this is no such takeover),
--          '1' when events must be read one by one: the holder before died, or ended by a defect, and had stored none,
--          or it left a note open (begin-reading.lua)}
-- The token is max(old + 1, Redis time): it keeps growing even if the key was ever lost.
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local lease = redis.call('HMGET', KEYS[1], 'token', 'owner', 'until', 'lastOwner', 'lostAt', 'grant', 'endedAs')
local owner = lease[2] or ''
local left = tonumber(lease[3] or '0') - now
if owner ~= '' and left > 0 then
  return { 'busy', left, owner }
end
local place = redis.call('HMGET', KEYS[2], 'cursor', 'eventBy')
local note = redis.call('HMGET', KEYS[8], 'open', 'poison')
local died = owner ~= '' or lease[5] or lease[7] == 'bug'
local careful = note[1] == '1' or note[2] == '1' or (died and lease[6] and place[2] ~= lease[6])
local token = string.format('%.0f', math.max(tonumber(lease[1] or '0') + 1, now))
redis.call('HSET', KEYS[1], 'token', token, 'owner', ARGV[1], 'incarnation', ARGV[2], 'jobToken', ARGV[3],
  'until', string.format('%.0f', now + ARGV[4]), 'grantedAt', string.format('%.0f', now), 'lastOwner', ARGV[1], 'grant', token)
local last = owner ~= '' and owner or lease[4]
local lost = ''
-- The holder before may have been lost and be the same worker: then this is no takeover, and an outage all the same.
local heardAt = lease[5] or (owner ~= '' and (redis.call('HGET', KEYS[5], 'at') or lease[3])) or ''
if last and last ~= ARGV[1] then
  redis.call('HINCRBY', KEYS[3], 'takeovers', 1)
  lost = heardAt ~= '' and string.format('%.0f', math.max(0, now - heardAt)) or ''
end
redis.call('HDEL', KEYS[1], 'lostAt', 'endedAs')
redis.call('DEL', KEYS[5])
redis.call('XADD', KEYS[6], 'MAXLEN', '~', 1000, '*', 'what', 'claimed', 'worker', ARGV[1], 'token', token,
  'events', redis.call('HGET', KEYS[3], 'events') or '0', 'last', last or '', 'heardAt', heardAt)
return { 'granted', token, place[1] or '', redis.call('HGET', KEYS[4], 'restart') or '0',
  redis.call('HGET', KEYS[7], 'count') or '0', lost, careful and '1' or '' }
