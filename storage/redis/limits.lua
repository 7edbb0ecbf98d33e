-- Reserves, settles and expires across all limits of runs of one tenant; the promise is policy/limits/specification.ts.
--
-- KEYS: the tenant's epoch, open runs (hash: run id to what it holds), due times (sorted set of run ids), ticks (hash:
-- caller to how many calls it has made).
-- ARGV: epoch, caller, how many due runs to expire at most, numbers of counters, settlements and reservations; then
--   counters:     key, window tag, ceiling, amount from which it is near
--   settlements:  run id, n, then n times key, amount
--   reservations: run id, expires in ms, n, then n times number of the counter, amount
-- Answers 'counters_invalid' where the epoch is not the expected one, and has changed nothing then. Otherwise a flat list:
-- the caller's tick; then for each reservation 0, or the number of the first item that does not fit, or minus how many of
-- its items came near; used, reserved and resets in ms of each item; and the numbers of those that came near.
--
-- All is read first, decided in memory and written at the end, each key once: an error before the first write leaves
-- nothing half done, and runs of one call share what they read.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 'counters_invalid' end
local sweep, counter_count, settle_count, reserve_count =
  tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local CHUNK = 500

-- Which runs the call is about: those that are due, and those it names.
local due = redis.call('ZRANGEBYSCORE', KEYS[3], '-inf', now, 'LIMIT', 0, sweep)
local names, named = {}, {}
local function name(id)
  if named[id] then return end
  named[id] = true
  names[#names + 1] = id
end
for i = 1, #due do name(due[i]) end
local settles_at, reserves_at = {}, {}
local at = 7 + 4 * counter_count
for i = 1, settle_count do
  settles_at[i] = at
  name(ARGV[at])
  at = at + 2 + 2 * ARGV[at + 1]
end
for i = 1, reserve_count do
  reserves_at[i] = at
  name(ARGV[at])
  at = at + 3 + 2 * ARGV[at + 2]
end

-- What each of them holds: a flat list of 0 (open) or 1 (expired), then key, window tag, position and amount of each item;
-- nil where it holds nothing.
local runs, changed, due_at = {}, {}, {}
for from = 1, #names, CHUNK do
  local values = redis.call('HMGET', KEYS[2], unpack(names, from, math.min(from + CHUNK - 1, #names)))
  for i = 1, #values do
    if values[i] then runs[names[from + i - 1]] = { cmsgpack.unpack(values[i]) } end
  end
end

-- Whether what was charged at `pos` still counts. The oldest bucket is looked at too: it is gone where its key was.
local function counts(c, pos)
  if c.pos - pos >= c.window.keep then return false end
  return not c.buckets or (c.oldest >= 0 and pos >= c.oldest)
end

-- Takes what the item at `i` holds out of its counter and charges `amount` as used. Answers what was charged, and when
-- its window closes; nil where it counts nowhere.
local function charge(run, i, amount)
  local c, pos, held = counter(run[i], run[i + 1]), run[i + 2], run[i + 3]
  local expired = run[1] == 1
  if not counts(c, pos) then return 0, nil end
  if c.window.kind == 'n' then
    add(c, pos, -held, 0)
    return 0, nil
  end
  local given_back = expired and held or 0
  local charged = math.min(amount, MAX - c.used + given_back)
  add(c, pos, expired and 0 or -held, charged - given_back)
  return charged, closes(c.window, pos)
end

local function expire(id)
  local run = runs[id]
  changed[id] = true
  runs[id] = nil
  if not run or run[1] == 1 then return end
  for i = 2, #run, 4 do
    local charged, close = charge(run, i, run[i + 3])
    run[i + 3] = charged
    if close then
      due_at[id] = math.max(due_at[id] or 0, close)
      runs[id] = run
    end
  end
  run[1] = 1
end

local function settle(from)
  local id = ARGV[from]
  local run = runs[id]
  if not run then return end
  local amounts = {}
  for i = from + 2, from + 2 * ARGV[from + 1], 2 do amounts[ARGV[i]] = tonumber(ARGV[i + 1]) end
  for i = 2, #run, 4 do charge(run, i, amounts[run[i]] or 0) end
  runs[id] = nil
  changed[id] = true
end

-- An expired run that goes on holds again as reserved what it was charged with.
local function reopen(run)
  for i = 2, #run, 4 do
    local c, pos, amount = counter(run[i], run[i + 1]), run[i + 2], run[i + 3]
    if amount > 0 and counts(c, pos) then add(c, pos, amount, -amount) end
  end
  run[1] = 0
end

-- Where in what a run holds a counter stands; nil where it is not there.
local function find(run, key, tag)
  for i = 2, #run, 4 do
    if run[i] == key and run[i + 1] == tag then return i end
  end
  return nil
end

-- The counters named by the call, each loaded when it is first needed.
local entries = {}
local function entry(number)
  local e = entries[number]
  if e then return e end
  local from = 3 + 4 * number
  local key, tag = ARGV[from], ARGV[from + 1]
  local near = math.max(1, tonumber(ARGV[from + 3]))
  e = { key = key, tag = tag, ceiling = tonumber(ARGV[from + 2]), near = near, c = counter(key, tag) }
  entries[number] = e
  return e
end

-- Whether a counter has come to its near mark, once: it is marked then. In a window that ends, once until a whole window has
-- passed; in one that does not, until it has fallen below the mark it was told at and the one that holds now.
local function mark_near(c, near, delta)
  local taken = c.used + c.reserved
  if c.window.kind == 'n' and c.mark >= 0 and taken - delta < math.min(c.mark, near) then
    c.mark, c.dirty = -1, true
  end
  if taken < near then return false end
  if c.mark >= 0 and (c.window.kind == 'n' or c.pos - c.mark < c.window.keep) then return false end
  c.mark, c.dirty = c.window.kind == 'n' and near or c.pos, true
  return true
end

local reply = { 0 }
local function tell(flag, wanted, deltas)
  local at, near = #reply + 1, nil
  local n = at
  for i = 1, #wanted do
    local e = wanted[i]
    local c = e.c
    reply[n + 1], reply[n + 2], reply[n + 3] = c.used, c.reserved, resets(c)
    n = n + 3
    if flag == 0 and (c.mark >= 0 or c.used + c.reserved >= e.near) and mark_near(c, e.near, deltas[i]) then
      near = near or {}
      near[#near + 1] = i
    end
  end
  reply[at] = near and -#near or flag
  for i = 1, near and #near or 0 do reply[n + i] = near[i] end
end

-- Raises what an open run holds, or takes it anew.
local function take(id, run, wanted, deltas, held)
  if run and run[1] == 1 then reopen(run) end
  if not run then
    run = { 0 }
    runs[id] = run
  end
  local n = #run
  for i = 1, #wanted do
    local e, delta, index = wanted[i], deltas[i], held[i]
    if not index then
      local pos = e.c.pos
      run[n + 1], run[n + 2], run[n + 3], run[n + 4] = e.key, e.tag, pos, delta
      n = n + 4
      add(e.c, pos, delta, 0)
    elseif delta > 0 then
      -- What was held in a window that has passed counts nowhere: all of it is held anew, where the counter stands now.
      if not counts(e.c, run[index + 2]) then run[index + 2], run[index + 3] = e.c.pos, 0 end
      run[index + 3] = run[index + 3] + delta
      add(e.c, run[index + 2], delta, 0)
    end
  end
end

local function reserve(from)
  local id = ARGV[from]
  local run = runs[id]
  local wanted, deltas, held, refused = {}, {}, {}, 0
  for i = 1, ARGV[from + 2] do
    local e, delta = entry(tonumber(ARGV[from + 1 + 2 * i])), tonumber(ARGV[from + 2 + 2 * i])
    local c, index = e.c, run and find(run, e.key, e.tag)
    if index then
      local is_counted = counts(c, run[index + 2])
      -- Of an expired run nothing is left in a window that has passed.
      local has = (is_counted or run[1] == 0) and run[index + 3] or 0
      if delta <= has then delta = 0 elseif is_counted then delta = delta - has end
    end
    wanted[i], deltas[i], held[i] = e, delta, index
    if refused == 0 and (not index or delta > 0) and c.used + c.reserved + delta > e.ceiling then refused = i end
  end
  if refused == 0 then
    take(id, run, wanted, deltas, held)
    due_at[id] = now + ARGV[from + 1]
    changed[id] = true
  end
  tell(refused, wanted, deltas)
end

for i = 1, #due do expire(due[i]) end
for i = 1, settle_count do settle(settles_at[i]) end
for i = 1, reserve_count do reserve(reserves_at[i]) end

-- All writes, each key once. The tick comes with them: an answer that holds it says that they were done.
for i = 1, #touched do save(touched[i]) end

-- Writes what runs hold now, all in four calls for any number of runs.
local put, put_due, drop = {}, {}, {}
for i = 1, #names do
  local id = names[i]
  local run = runs[id]
  if changed[id] and run then
    local n = #put
    put[n + 1], put[n + 2] = id, cmsgpack.pack(unpack(run))
    put_due[n + 1], put_due[n + 2] = due_at[id], id
  elseif changed[id] then
    drop[#drop + 1] = id
  end
end
local function write(command, key, list)
  for from = 1, #list, CHUNK do redis.call(command, key, unpack(list, from, math.min(from + CHUNK - 1, #list))) end
end
write('HSET', KEYS[2], put)
write('ZADD', KEYS[3], put_due)
write('HDEL', KEYS[2], drop)
write('ZREM', KEYS[3], drop)
reply[1] = redis.call('HINCRBY', KEYS[4], ARGV[2], 1)
return reply
