#!lua
-- Adds log lines and errors to the journals of many connections. Without allow-oom: when memory is out, it is for others.
-- KEYS: per connection: log, errors, errorsAt
-- ARGV: lines kept, errors kept, then per connection: number of lines, the lines (JSON), number of errors, and per error:
--       what makes it the same error, when it happened (ms, by the clock of its host), the error (JSON)
-- Returns the number of connections
local at = 3
for i = 1, #KEYS, 3 do
  local lines = tonumber(ARGV[at])
  for n = at + 1, at + lines do
    redis.call('XADD', KEYS[i], 'MAXLEN', ARGV[1], '*', 'line', ARGV[n])
  end
  at = at + lines + 1
  local errors = tonumber(ARGV[at])
  for n = at + 1, at + 3 * errors, 3 do
    redis.call('HSET', KEYS[i + 1], ARGV[n], ARGV[n + 2])
    redis.call('ZADD', KEYS[i + 2], ARGV[n + 1], ARGV[n])
  end
  at = at + 3 * errors + 1
  local over = redis.call('ZCARD', KEYS[i + 2]) - tonumber(ARGV[2])
  if over > 0 then
    local oldest = redis.call('ZPOPMIN', KEYS[i + 2], over)
    for n = 1, #oldest, 2 do
      redis.call('HDEL', KEYS[i + 1], oldest[n])
    end
  end
end
return #KEYS / 3
