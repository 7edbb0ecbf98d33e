-- Window arithmetic; needs `now`, in Unix milliseconds. Its promise is policy/limits/window.ts.
local BUCKETS = 60
local SLOTS = BUCKETS + 1
local DAY = 86400000
local WEEK = 7 * DAY
local FIRST_MONDAY = 4 * DAY

local floor = math.floor

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

-- The number of the calendar window or rolling bucket that the instant `ms` falls into.
local function position_of(window, ms)
  local kind = window.kind
  if kind == 'n' then return 0 end
  if kind == 'm' then return floor(month_of(ms) / window.size) end
  return floor((ms - window.offset) / window.size)
end

local windows = {}

-- A window from its tag: n (never forgets), u<unit ms>, m<months>, r<window ms>; with the position of `now`.
local function window_of(tag)
  local window = windows[tag]
  if window then return window end
  local kind, size = string.sub(tag, 1, 1), tonumber(string.sub(tag, 2))
  window = { kind = kind, size = size, keep = 1, offset = 0 }
  if kind == 'u' and size % WEEK == 0 then window.offset = FIRST_MONDAY end
  if kind == 'r' then
    window.size = math.ceil(size / BUCKETS)
    window.keep = SLOTS
  end
  window.pos = position_of(window, now)
  windows[tag] = window
  return window
end

-- When what was charged at `pos` stops to count.
local function closes(window, pos)
  if window.kind == 'm' then return month_start((pos + 1) * window.size) end
  return (pos + window.keep) * window.size + window.offset
end
