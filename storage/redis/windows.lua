-- Window arithmetic and the loading of counters; needs `now`. KEYS[1] is the tenant's epoch key.
--
-- A counter is a string of doubles: its newest position (the number of the calendar window or rolling bucket), used,
-- reserved. A rolling one goes on with its oldest bucket (-1 for none) and 61 slots of position, used, reserved; the
-- bucket of a position lies in slot position % 61, and a slot that names another position holds nothing.
-- Amounts are whole numbers up to 9e15, exact in a double. They enter as text and leave as doubles or as integers of the
-- reply: no line here makes text of one, because Lua would round it to 14 digits.
local MAX = 9e15
local BUCKETS = 60
local SLOTS = BUCKETS + 1
local DAY = 86400000
local WEEK = 7 * DAY
local FIRST_MONDAY = 4 * DAY
local GRACE = 60000

local floor = math.floor
local prefix = string.sub(KEYS[1], 1, -6)

-- Months since January of the year 0 of the instant `ms`, after Howard Hinnant's civil_from_days.
local function month_of(ms)
  local z = floor(ms / DAY) + 719468
  local era = floor(z / 146097)
  local doe = z - era * 146097
  local yoe = floor((doe - floor(doe / 1460) + floor(doe / 36524) - floor(doe / 146096)) / 365)
  local doy = doe - (365 * yoe + floor(yoe / 4) - floor(yoe / 100))
  local mp = floor((5 * doy + 2) / 153)
  local year = yoe + era * 400
  if mp < 10 then return year * 12 + mp + 2 end
  return (year + 1) * 12 + mp - 10
end

-- The instant at which that month starts: days_from_civil of its first day.
local function month_start(month)
  local year, mp = floor(month / 12), month % 12 - 2
  if mp < 0 then
    mp = mp + 12
    year = year - 1
  end
  local era = floor(year / 400)
  local yoe = year - era * 400
  local doe = yoe * 365 + floor(yoe / 4) - floor(yoe / 100) + floor((153 * mp + 2) / 5)
  return (era * 146097 + doe - 719468) * DAY
end

local windows = {}

-- A window from its tag: n (never forgets), u<unit ms>, m<months>, r<window ms>; with the position of `now`.
local function window_of(tag)
  local window = windows[tag]
  if window then return window end
  local kind, size = string.sub(tag, 1, 1), tonumber(string.sub(tag, 2))
  window = { kind = kind, size = size, pos = 0, keep = 1, offset = 0 }
  if kind == 'u' then
    if size % WEEK == 0 then window.offset = FIRST_MONDAY end
    window.pos = floor((now - window.offset) / size)
  elseif kind == 'm' then
    window.pos = floor(month_of(now) / size)
  elseif kind == 'r' then
    window.size = math.ceil(size / BUCKETS)
    window.keep = SLOTS
    window.pos = floor(now / window.size)
  end
  windows[tag] = window
  return window
end

-- When what was charged at `pos` stops to count.
local function closes(window, pos)
  if window.kind == 'm' then return month_start((pos + 1) * window.size) end
  return (pos + window.keep) * window.size + window.offset
end

-- What the bucket of `pos` holds, or nothing.
local function read_bucket(text, pos)
  local from = 33 + 24 * (pos % SLOTS)
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
  c = { id = id, window = window, pos = window.pos, newest = -1, oldest = -1, used = 0, reserved = 0 }
  counters[id] = c
  touched[#touched + 1] = c
  local rolling = window.kind == 'r'
  if rolling then c.buckets = {} end
  local text = redis.call('GET', id)
  if not text then return c end
  c.newest, c.used, c.reserved = struct.unpack('<ddd', text)
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
    c.oldest = struct.unpack('<d', text, 25)
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
