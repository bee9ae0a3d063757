#!lua flags=allow-oom
-- Renews the leases and writes the heartbeats of many connections of one worker.
-- KEYS: per connection: lease, heartbeat, wishes, history, desired
-- ARGV: lease (ms), then per connection: fencing token, heartbeat (JSON, evidence as ages in ms), state change ('' or JSON)
-- Returns per connection {1, wanted ('1' or ''), restart wish, fingerprint of the desired record}
--                       or {0} when the token is no longer current, {-1} when Redis knows no lease of the connection
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local answers = {}
for i = 1, #KEYS / 5 do
  local lease, heartbeat, wishes, history, desired =
    KEYS[5 * i - 4], KEYS[5 * i - 3], KEYS[5 * i - 2], KEYS[5 * i - 1], KEYS[5 * i]
  local token, body, change = ARGV[3 * i - 1], ARGV[3 * i], ARGV[3 * i + 1]
  local current = redis.call('HGET', lease, 'token')
  if current == token then
    redis.call('HSET', lease, 'until', string.format('%.0f', now + ARGV[1]))
    redis.call('HSET', heartbeat, 'token', token, 'at', string.format('%.0f', now), 'body', body)
    if change ~= '' then
      redis.call('XADD', history, 'MAXLEN', '~', 1000, '*', 'what', 'state', 'token', token, 'detail', change)
    end
    local wish = redis.call('HMGET', wishes, 'paused', 'restart')
    -- Our own JSON.stringify wrote it, so its form is known: no need to parse it 40 times a minute.
    local record = redis.call('GET', desired) or ''
    local wanted = wish[1] ~= '1' and string.find(record, '"enabled":true', 1, true) and '1' or ''
    answers[i] = { 1, wanted, wish[2] or '0', string.match(record, '"fingerprint":"([^"]*)"') or '' }
  else
    -- A lease key is never deleted: without one, the data are lost.
    answers[i] = { current and 0 or -1 }
  end
end
return answers
