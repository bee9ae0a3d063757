#!lua
-- Stores a batch of one connection's inbound, or a prefix of it: messages into their lanes, other events aside, the ids
-- that were seen, and the cursor, in one step. Without allow-oom on purpose: Redis refuses it whole when memory is out.
-- KEYS: lease, cursor, counters, records, activeLanes, three sets of seen ids, then per distinct lane: lane, laneState
-- ARGV: 1 fencing token, 2 writer, 3 position of the first item (counted per writer), 4 cursor that the writer
--       started from ('' none, or it could not be read), 5 dedupe window (ms), 6 limit of bytes pending, 7 instance full ('1' or ''),
--       8 safeguards: cursor, dedupe, fence (three times '1' or '0'), 9 bytes of all its messages, or more,
--       10 number of distinct lanes n, 11 most messages of a lane, 12 most bytes of a lane's large entries (above 4 KiB), 13 bytes of records kept (about),
--       14 share of either from which a group is crowded, 15 share of it that one of its people may then have,
--       then n lane ids, then per item: number of its lane (1-based) if it is a message,
--       else its kind, event id ('' none), entry, cursor after ('' unchanged, '-': one of a later item of this batch
--       covers it)
-- Returns {'fenced'}; {'gap'}: does not follow what is stored; or
--         {'already' | 'stored' | 'full', position after what is stored now,
--          one letter per item of this call (s stored, d duplicate, a aside, b busy: its lane or its person has no room,
--          c cursor only),
--          then per lane to wake: number of the lane, activation}
-- 'already' and a batch of which a part was stored before name every active lane of the batch: the answer that named
-- them first was lost.
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local function text(number)
  return string.format('%.0f', number)
end
local keepCursor = string.sub(ARGV[8], 1, 1) == '1'
local dedupe = string.sub(ARGV[8], 2, 2) == '1'
local fence = string.sub(ARGV[8], 3, 3) == '1'

if fence and redis.call('HGET', KEYS[1], 'token') ~= ARGV[1] then
  redis.call('HINCRBY', KEYS[3], 'staleWrites', 1)
  return { 'fenced' }
end

local from = tonumber(ARGV[3])
local lanes = tonumber(ARGV[10])
local base = 15 + lanes
local count = (#ARGV - base) / 4
local stored = redis.call('HMGET', KEYS[2], 'cursor', 'bytes', 'writer', 'items', 'crowded')
local position
if stored[3] == ARGV[2] then
  position = tonumber(stored[4])
elseif not fence then
  position = from
elseif from == 0 and (ARGV[4] == '' or stored[1] == ARGV[4] or not keepCursor) then
  position = 0
end
if not position or position < from then
  return { 'gap' }
end
local skip = math.min(position - from, count)

-- Three windows, reused in turn: this one, the one before, and the next, in case Redis's clock was set back.
local window = tonumber(ARGV[5])
local number = math.floor(now / window)
local seen, ids = {}, {}
for i = skip + 1, count do
  local id = ARGV[base + 4 * i - 2]
  if id ~= '' then
    ids[#ids + 1] = id
  end
end
if dedupe and #ids > 0 then
  for w = 6, 8 do
    local found = redis.call('SMISMEMBER', KEYS[w], unpack(ids))
    for i = 1, #ids do
      if found[i] == 1 then
        seen[ids[i]] = true
      end
    end
  end
end

-- How far the messages fit. A prefix that is stored has its own cursor, so it never ends where one is still to come.
local bytes = tonumber(stored[2] or '0')
local limit = tonumber(ARGV[6])
local status, last = skip == count and 'already' or 'stored', count
if ARGV[7] == '1' or bytes + tonumber(ARGV[9]) > limit then
  last = skip
  local room, met, covered = bytes, {}, true
  for i = skip + 1, count do
    local at = base + 4 * i - 3
    local id, after = ARGV[at + 1], ARGV[at + 3]
    if tonumber(ARGV[at]) and (id == '' or not (seen[id] or met[id])) then
      if ARGV[7] == '1' or room >= limit then
        status = 'full'
        break
      end
      room = room + #ARGV[at + 2]
    end
    if id ~= '' then
      met[id] = dedupe
    end
    if after ~= '' then
      covered = after ~= '-'
    end
    if covered then
      last = i
    end
  end
end

-- Room in each conversation, so that whoever floods one waits alone. Looked at only while some conversation of the
-- connection is crowded: what RPUSH answers tells when one becomes it, and in normal life this costs nothing.
local room, space = {}, {}
local most, mostLarge = tonumber(ARGV[11]), tonumber(ARGV[12])
local crowd, crowdLarge = most * tonumber(ARGV[14]), mostLarge * tonumber(ARGV[14])
local part, partLarge = most * tonumber(ARGV[15]), mostLarge * tonumber(ARGV[15])
local crowded = stored[5] == '1' and bytes > 65536
-- By lane: turns begun; who has a part (each as ' n' or ' l' and the person: of the messages, of the large ones), and of
-- how many messages, bytes of large ones and turns that was counted.
local turns, hogs, as, asLarge, asTurn
-- By lane, then person; only of lanes that are counted now.
local messages, larges
if crowded then
  turns, hogs, as, asLarge, asTurn = {}, {}, {}, {}, {}
  messages, larges = {}, {}
  for lane = 1, lanes do
    local waiting = redis.call('LLEN', KEYS[7 + 2 * lane])
    room[lane] = most - waiting
    space[lane] = mostLarge
    turns[lane] = 0
    if waiting > 0 then
      local state = redis.call('HMGET', KEYS[8 + 2 * lane], 'large', 'token', 'hogs')
      space[lane] = mostLarge - tonumber(state[1] or '0')
      turns[lane] = tonumber(state[2] or '0')
      if state[3] and waiting < crowd and mostLarge - space[lane] < crowdLarge then
        redis.call('HDEL', KEYS[8 + 2 * lane], 'hogs')
      elseif state[3] and string.match(state[3], '^%d+:%d+:(%d+)') then
        hogs[lane] = state[3]
        as[lane] = tonumber(string.match(state[3], '^%d+'))
        asLarge[lane] = tonumber(string.match(state[3], '^%d+:(%d+)'))
        asTurn[lane] = tonumber(string.match(state[3], '^%d+:%d+:(%d+)'))
      end
    end
  end
end

local order, entries = {}, {}

-- The short digest with which the header of a group's message ends (lane-entry.ts).
local function personOf(entry)
  local at = string.find(entry, '\n', 1, true)
  if at and string.sub(entry, at - 2, at - 1) == '"]' then
    return string.sub(entry, at - 10, at - 3)
  end
  return nil
end

local function tally(lane, entry)
  local person = personOf(entry)
  if not person then
    return
  end
  local n = (messages[lane][person] or 0) + 1
  messages[lane][person] = n
  if n >= part and n < part + 1 then
    hogs[lane] = hogs[lane] .. ' n' .. person
  end
  if #entry > 4096 then
    local before = larges[lane][person] or 0
    larges[lane][person] = before + #entry
    if before < partLarge and before + #entry >= partLarge then
      hogs[lane] = hogs[lane] .. ' l' .. person
    end
  end
end

-- Whether what is noted is out of date: a twentieth of the room was taken or freed, or ten turns were begun.
local function isOld(lane)
  local function apart(a, b)
    return math.max(a, b) - math.min(a, b)
  end
  return not hogs[lane] or turns[lane] - asTurn[lane] >= 10 or apart(most - room[lane], as[lane]) >= most / 20
    or apart(mostLarge - space[lane], asLarge[lane]) >= mostLarge / 20
end

-- Whether the group is crowded, and this person has a part of it. Who has one is noted in the lane's state, so that not
-- every message costs a count; nobody else is, so there are never more than a few.
local function hasPart(lane, entry)
  local many = most - room[lane] >= crowd
  local much = #entry > 4096 and mostLarge - space[lane] >= crowdLarge
  local person = (many or much) and personOf(entry)
  if not person then
    return false
  end
  if not messages[lane] and isOld(lane) then
    messages[lane], larges[lane], hogs[lane] = {}, {}, ''
    for _, waiting in ipairs(redis.call('LRANGE', KEYS[7 + 2 * lane], 0, -1)) do
      tally(lane, waiting)
    end
    for _, waiting in ipairs(entries[lane] or {}) do
      tally(lane, waiting)
    end
  end
  return (many and string.find(hogs[lane], ' n' .. person, 1, true))
    or (much and string.find(hogs[lane], ' l' .. person, 1, true))
end

local counted, letters, fresh, woken, answer = {}, {}, {}, {}, {}
local cursor = nil

local function wake(lane, rewake, size)
  if woken[lane] then
    return
  end
  local state = KEYS[8 + 2 * lane]
  local now_ = redis.call('HMGET', state, 'active', 'activation', 'hogs')
  local activation = now_[2]
  if now_[1] ~= '1' then
    if rewake then
      return
    end
    if activation then
      redis.call('PERSIST', state)
    end
    -- Earlier versions end turns without taking it away.
    if now_[3] then
      redis.call('HDEL', state, 'hogs')
    end
    activation = text(tonumber(activation or '0') + 1)
    redis.call('HSET', state, 'active', '1', 'activation', activation, 'large', text(size or 0))
    redis.call('ZADD', KEYS[5], text(now), ARGV[15 + lane])
  elseif not rewake then
    return
  end
  woken[lane] = true
  answer[#answer + 1] = lane
  answer[#answer + 1] = activation
end

local function count1(name)
  counted[name] = (counted[name] or 0) + 1
end

for i = 1, skip do
  local lane = tonumber(ARGV[base + 4 * i - 3])
  if lane then
    wake(lane, true)
  end
end

local events, progress = 0, false
for i = skip + 1, last do
  local at = base + 4 * i - 3
  local id, entry, after = ARGV[at + 1], ARGV[at + 2], ARGV[at + 3]
  local lane = tonumber(ARGV[at])
  local letter
  if id ~= '' and seen[id] then
    letter = 'd'
    count1('duplicates')
  elseif lane and room[lane]
    and (room[lane] <= 0 or (#entry > 4096 and space[lane] <= 0) or hasPart(lane, entry)) then
    redis.call('XADD', KEYS[4], 'MAXLEN', '~', 1000, '*', 'kind', 'busy', 'lane', ARGV[15 + lane], 'eventId', id,
      'bytes', #entry, 'entry', string.sub(entry, 1, 512))
    letter = 'b'
    count1('busy')
  elseif lane then
    if room[lane] then
      room[lane] = room[lane] - 1
      space[lane] = space[lane] - (#entry > 4096 and #entry or 0)
    end
    if crowded and messages[lane] then
      tally(lane, entry)
    end
    local waiting = entries[lane]
    if waiting then
      waiting[#waiting + 1] = entry
    else
      order[#order + 1] = lane
      entries[lane] = { entry }
    end
    bytes = bytes + #entry
    events = events + 1
    progress = true
    letter = 's'
  elseif ARGV[at] == 'cursor' then
    letter = 'c'
  else
    local kind = ARGV[at]
    -- A large one leaves room for fewer.
    local kept = math.max(10, math.min(1000, math.floor(tonumber(ARGV[13]) / #entry)))
    redis.call('XADD', KEYS[4], 'MAXLEN', '~', kept, '*', 'kind', kind, 'entry', entry)
    letter = 'a'
    -- Records of our own say that somebody listens, not that an event was read.
    progress = progress or not (kind == 'gap' or kind == 'identified' or kind == 'resumed')
    count1(kind == 'gap' and 'gaps' or kind)
  end
  letters[i - skip] = letter
  if id ~= '' and not seen[id] then
    seen[id] = dedupe
    fresh[#fresh + 1] = id
  end
  if after ~= '' and after ~= '-' then
    cursor = after
  end
end
for _, lane in ipairs(order) do
  -- Messages leave a lane when their turn ends, and what empties it puts it to sleep: one that had some is awake.
  -- Large ones are counted in bytes, by the lane; of the others their number is bound enough.
  local large = 0
  for _, entry in ipairs(entries[lane]) do
    if #entry > 4096 then
      large = large + #entry
    end
  end
  local waiting = redis.call('RPUSH', KEYS[7 + 2 * lane], unpack(entries[lane]))
  if waiting == #entries[lane] then
    wake(lane, false, large)
  elseif large > 0 then
    large = redis.call('HINCRBY', KEYS[8 + 2 * lane], 'large', large)
  end
  crowded = crowded or waiting >= crowd or large >= crowdLarge
end
for lane = 1, messages and lanes or 0 do
  if messages[lane] then
    redis.call('HSET', KEYS[8 + 2 * lane], 'hogs', text(most - room[lane]) .. ':' .. text(mostLarge - space[lane]) .. ':'
      .. text(turns[lane]) .. hogs[lane])
  end
end

if last > skip then
  local place = { 'bytes', text(bytes), 'writer', ARGV[2], 'items', text(from + last) }
  if cursor and keepCursor then
    place[7], place[8] = 'cursor', cursor
  end
  if crowded or stored[5] == '1' then
    place[#place + 1], place[#place + 2] = 'crowded', crowded and '1' or ''
  end
  if progress then
    place[#place + 1] = 'eventBy'
    place[#place + 1] = ARGV[1]
  end
  redis.call('HSET', KEYS[2], unpack(place))
  if #fresh > 0 then
    local set = KEYS[6 + number % 3]
    redis.call('SADD', set, unpack(fresh))
    redis.call('PEXPIREAT', set, text((number + 2) * window))
  end
end
for name, n in pairs(counted) do
  redis.call('HINCRBY', KEYS[3], name, n)
end
if events > 0 then
  redis.call('HINCRBY', KEYS[3], 'events', events)
  redis.call('HSET', KEYS[3], 'lastEventAt', text(now))
end
return { status, from + last, table.concat(letters), unpack(answer) }
