-- Loading, changing and saving counters; needs `now` and windows.lua. KEYS[1] is the tenant's epoch key.
--
-- A counter is a string of doubles: its newest position (the number of the calendar window or rolling bucket), used,
-- reserved, and its near mark: the position at which it was told, or the amount where the window never ends; -1 for none.
-- A rolling one goes on with its oldest bucket (-1 for none) and 61 slots of position, used, reserved; the bucket of a
-- position lies in slot position % 61, and a slot that names another position holds nothing.
-- Amounts are whole numbers up to 9e15, exact in a double. They enter as text and leave as doubles or as integers of the
-- reply: no line here makes text of one, because Lua would round it to 14 digits.
local MAX = 9e15
local GRACE = 60000
local ROLLING_HEAD = 40

local prefix = string.sub(KEYS[1], 1, -6)

-- What the bucket of `pos` holds, or nothing.
local function read_bucket(text, pos)
  local from = ROLLING_HEAD + 1 + 24 * (pos % SLOTS)
  if #text < from + 23 then return nil end
  local owner, used, reserved = struct.unpack('<ddd', text, from)
  if owner ~= pos then return nil end
  return used, reserved
end

-- Takes out the buckets that have left the window; each is looked at once in its life.
local function leave(c)
  local first = c.pos - BUCKETS
  for pos = c.oldest, c.newest do
    local used, reserved = read_bucket(c.text, pos)
    if used and pos >= first then
      c.oldest = pos
      return
    end
    if used then
      c.used = c.used - used
      c.reserved = c.reserved - reserved
    end
  end
  c.oldest = -1
end

local counters, touched = {}, {}

-- A counter as it stands now, read once a call and then kept; positions that have passed are taken out of it.
local function counter(key, tag)
  local id = prefix .. key .. ';' .. tag
  local c = counters[id]
  if c then return c end
  local window = window_of(tag)
  c = { id = id, window = window, pos = window.pos, newest = -1, oldest = -1, used = 0, reserved = 0, mark = -1 }
  counters[id] = c
  touched[#touched + 1] = c
  local rolling = window.kind == 'r'
  if rolling then c.buckets = {} end
  local text = redis.call('GET', id)
  if not text then return c end
  -- What does not have the form of its window is not a counter of ours: misread, it would be a wrong limit.
  if #text % 24 ~= (rolling and 16 or 8) then error('a counter has another form') end
  c.newest, c.used, c.reserved, c.mark = struct.unpack('<dddd', text)
  if c.newest > c.pos then
    c.pos = c.newest
  elseif c.newest < c.pos then
    c.dirty = true
    if c.pos - c.newest >= window.keep then
      c.used, c.reserved = 0, 0
      return c
    end
  end
  if rolling then
    c.text = text
    c.oldest = struct.unpack('<d', text, 33)
    if c.oldest >= 0 and c.oldest < c.pos - BUCKETS then leave(c) end
  end
  return c
end

-- Milliseconds until the counter gives something back; 0 where it never does by itself.
local function resets(c)
  if c.window.kind == 'n' or (c.buckets and c.oldest < 0) then return 0 end
  local pos = c.buckets and c.oldest or c.pos
  if c.resets_of ~= pos then
    c.resets_of, c.resets = pos, closes(c.window, pos) - now
  end
  return c.resets
end

local function at_least_zero(amount)
  if amount < 0 then return 0 end
  return amount
end

-- Changes a counter by what is reserved and used more (or less) at `pos`. Nothing goes below zero: only a clock that went
-- back by more than the time for which a closed window is kept could bring it there.
local function add(c, pos, reserved, used)
  c.dirty, c.exists = true, true
  c.reserved, c.used = at_least_zero(c.reserved + reserved), at_least_zero(c.used + used)
  if not c.buckets then return end
  local b = c.buckets[pos]
  if not b then
    local held_used, held_reserved
    if c.text then held_used, held_reserved = read_bucket(c.text, pos) end
    b = { used = held_used or 0, reserved = held_reserved or 0 }
    c.buckets[pos] = b
    if c.oldest < 0 or pos < c.oldest then c.oldest = pos end
  end
  b.reserved, b.used = at_least_zero(b.reserved + reserved), at_least_zero(b.used + used)
end

-- Writes a counter that changed, and lets Redis forget it some time after its last window has closed.
local function save(c)
  if not c.dirty or (c.newest < 0 and not c.exists) then return end
  local kind = c.window.kind
  if kind == 'n' and c.reserved == 0 then
    redis.call('DEL', c.id)
    return
  end
  local moved = kind ~= 'n' and c.pos > c.newest
  if kind == 'r' then
    redis.call('SETRANGE', c.id, 0, struct.pack('<ddddd', c.pos, c.used, c.reserved, c.mark, c.oldest))
    for pos, b in pairs(c.buckets) do
      redis.call('SETRANGE', c.id, ROLLING_HEAD + 24 * (pos % SLOTS), struct.pack('<ddd', pos, b.used, b.reserved))
    end
    if moved then redis.call('PEXPIRE', c.id, closes(c.window, c.pos) - now + GRACE) end
    return
  end
  local text = struct.pack('<dddd', c.pos, c.used, c.reserved, c.mark)
  if moved then
    redis.call('SET', c.id, text, 'PX', closes(c.window, c.pos) - now + GRACE)
  else
    redis.call('SET', c.id, text, 'KEEPTTL')
  end
end
