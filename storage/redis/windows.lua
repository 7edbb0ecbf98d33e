-- Window arithmetic and the loading of counters; needs `now`. KEYS[1] is the tenant's epoch key.
--
-- A counter is a hash: p = the newest position (number of the calendar window or rolling bucket), u = used, r = reserved.
-- A rolling one also has o = its oldest bucket (-1 for none), and u<slot>, r<slot> of every bucket still in the window.
-- Amounts are whole numbers up to 9e15, exact in a double. They enter as text and leave as numbers, which Redis writes in
-- full: no line here makes text of one, because Lua would round it to 14 digits.
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

-- Takes out the buckets that have left the window, four at a time from the oldest; each is read once in its life.
local function leave(c, newest)
  local first = c.pos - BUCKETS
  local k = c.oldest
  c.oldest = -1
  while c.oldest < 0 and k <= newest do
    local fields, last = {}, math.min(k + 3, newest)
    for b = k, last do
      local slot = b % SLOTS
      fields[#fields + 1] = 'u' .. slot
      fields[#fields + 1] = 'r' .. slot
    end
    local values = redis.call('HMGET', c.id, unpack(fields))
    for b = k, last do
      local at = 2 * (b - k) + 1
      if values[at] then
        if b >= first then
          c.oldest = b
          break
        end
        c.used = c.used - values[at]
        c.reserved = c.reserved - values[at + 1]
        c.left[#c.left + 1] = fields[at]
        c.left[#c.left + 1] = fields[at + 1]
      end
    end
    k = last + 1
  end
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
  local values
  if window.kind == 'r' then
    local slot = window.pos % SLOTS
    c.left, c.buckets = {}, {}
    values = redis.call('HMGET', id, 'p', 'u', 'r', 'o', 'u' .. slot, 'r' .. slot)
  else
    values = redis.call('HMGET', id, 'p', 'u', 'r')
  end
  if not values[1] then return c end
  local newest = tonumber(values[1])
  c.newest = newest
  if newest > c.pos then c.pos = newest end
  c.dirty = newest < c.pos
  if c.pos - newest >= window.keep then
    c.wipe = window.kind == 'r'
    return c
  end
  c.used, c.reserved = tonumber(values[2]), tonumber(values[3])
  if window.kind ~= 'r' then return c end
  c.oldest = tonumber(values[4])
  if newest == window.pos and values[5] then
    c.buckets[newest] = { used = tonumber(values[5]), reserved = tonumber(values[6]) }
  end
  if c.oldest >= 0 and c.oldest < c.pos - BUCKETS then leave(c, newest) end
  return c
end

-- Milliseconds until the counter gives something back.
local function resets(c)
  if c.window.kind == 'n' then return 0 end
  if c.window.kind ~= 'r' then return closes(c.window, c.pos) - now end
  if c.oldest < 0 then return 0 end
  return closes(c.window, c.oldest) - now
end
