#!lua flags=allow-oom
-- Renews the leases and writes the heartbeats of many connections of one worker.
-- KEYS: per connection: lease, heartbeat, wishes, history
-- ARGV: lease (ms), then per connection: fencing token, heartbeat (JSON, evidence as ages in ms), state change ('' or JSON)
-- Returns per connection {1, paused ('1' or ''), restart wish} or {0} when the token is no longer current
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local answers = {}
for i = 1, #KEYS / 4 do
  local lease, heartbeat, wishes, history = KEYS[4 * i - 3], KEYS[4 * i - 2], KEYS[4 * i - 1], KEYS[4 * i]
  local token, body, change = ARGV[3 * i - 1], ARGV[3 * i], ARGV[3 * i + 1]
  if redis.call('HGET', lease, 'token') == token then
    redis.call('HSET', lease, 'until', string.format('%.0f', now + ARGV[1]))
    redis.call('HSET', heartbeat, 'token', token, 'at', string.format('%.0f', now), 'body', body)
    if change ~= '' then
      redis.call('XADD', history, 'MAXLEN', '~', 1000, '*', 'what', 'state', 'token', token, 'detail', change)
    end
    local wish = redis.call('HMGET', wishes, 'paused', 'restart')
    answers[i] = { 1, wish[1] or '', wish[2] or '0' }
  else
    answers[i] = { 0 }
  end
end
return answers
