#!lua flags=allow-oom
-- Adds what was seen of many connections to their rings of minutes. Notes of several schedulers join: a state once seen
-- stays, the higher count counts. Safe to repeat.
-- KEYS: minutes, one per note
-- ARGV: minutes per ring, forget after (ms), then per note: minute (since the epoch), states seen (bits), messages stored
-- A record is 10 bytes: minute (4), bits (1), messages (5), high byte first; at (minute mod minutes per ring) * 10.
local slots = tonumber(ARGV[1])
for i = 1, #KEYS do
  local minute, bits, events = tonumber(ARGV[3 * i]), tonumber(ARGV[3 * i + 1]), tonumber(ARGV[3 * i + 2])
  local at = (minute % slots) * 10
  -- The whole at once: a string that grows takes twice its size.
  if redis.call('EXISTS', KEYS[i]) == 0 then
    redis.call('SETRANGE', KEYS[i], slots * 10 - 1, '\0')
  end
  local known = redis.call('GETRANGE', KEYS[i], at, at + 9)
  if #known == 10 then
    local knownMinute, knownBits, knownEvents = struct.unpack('>I4BI5', known)
    if knownMinute == minute then
      bits = bit.bor(bits, knownBits)
      events = math.max(events, knownEvents)
    end
  end
  redis.call('SETRANGE', KEYS[i], at, struct.pack('>I4BI5', minute, bits, events))
  redis.call('PEXPIRE', KEYS[i], ARGV[2])
end
return #KEYS
