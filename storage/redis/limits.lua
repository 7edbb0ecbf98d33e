-- Reserves, settles and expires across all limits of runs of one tenant; the promise is policy/limits/specification.ts.
--
-- KEYS: the tenant's epoch, open runs (hash: run id to what it holds), due times (sorted set of run ids), ticks (hash:
-- caller to how many calls it has made; and fields with `!` that tell of expired runs).
-- ARGV: epoch, caller, how many due runs to expire at most, numbers of counters, settlements and reservations; then
--   counters:     key, window tag, ceiling, amount from which it is near
--   settlements:  run id, kind, n, then n times key, amount; or for kind `c` n times key, window tag, Unix ms, amount.
--                 Kinds: s settled, f settled for good, c counted once although nobody reserved it
--   reservations: run id, expires in ms, n, then n times number of the counter, amount
-- Answers 'counters_invalid' where the epoch is not the expected one, and has changed nothing then. Otherwise a flat list:
-- the caller's tick and the time; then for each reservation one number:
--   n + 1 where its run is gone, and nothing more;
--   1 to n, the number of the first item that does not fit; used, reserved and resets in ms of each item;
--   0 or less, minus how many notes come behind the same readings: i where item i came near, -i where it counts in the
--   window of this very call, 0 where all items do.
--
-- All is read first, decided in memory and written at the end, each key once: an error before the first write leaves
-- nothing half done, and runs of one call share what they read.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 'counters_invalid' end
local sweep, counter_count, settle_count, reserve_count =
  tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local CHUNK = 500
-- For how long it is remembered that a run was settled for good.
local GONE_FOR = DAY

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
  at = at + 3 + (ARGV[at + 1] == 'c' and 4 or 2) * ARGV[at + 2]
end
for i = 1, reserve_count do
  reserves_at[i] = at
  name(ARGV[at])
  at = at + 3 + 2 * ARGV[at + 2]
end

-- What each of them holds: a flat list of 0 (open) or 1 (expired), then key, window tag, position and amount of each item;
-- 2 alone where it is gone; nil where nothing is known of it.
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

-- Runs whose expiry stands as spent, and those of them that were settled or went on after all.
local spent, made_good = 0, 0

local function expire(id)
  local run = runs[id]
  changed[id] = true
  runs[id] = nil
  if not run or run[1] ~= 0 then return end
  for i = 2, #run, 4 do
    local charged, close = charge(run, i, run[i + 3])
    run[i + 3] = charged
    if close then
      due_at[id] = math.max(due_at[id] or 0, close)
      runs[id] = run
    end
  end
  run[1] = 1
  if runs[id] then spent = spent + 1 end
end

local function is_gone(id)
  return runs[id] ~= nil and runs[id][1] == 2
end

-- Replaces what a run holds by `amounts`, or forgets it for want of any.
local function close(id, amount_of)
  local run = runs[id]
  if not run then return end
  for i = 2, #run, 4 do charge(run, i, amount_of(run[i], run[i + 1])) end
  if run[1] == 1 then made_good = made_good + 1 end
  runs[id], due_at[id] = nil, nil
  changed[id] = true
end

local function bury(id)
  runs[id], due_at[id] = { 2 }, now + GONE_FOR
  changed[id] = true
end

local function settle(from)
  local id = ARGV[from]
  local amounts = {}
  for i = from + 3, from + 1 + 2 * ARGV[from + 2], 2 do amounts[ARGV[i]] = tonumber(ARGV[i + 1]) end
  close(id, function(key) return amounts[key] or 0 end)
  if ARGV[from + 1] == 'f' then bury(id) end
end

-- Charges what a run came to that nobody reserved: each item at its instant, or in place of what the run holds after all.
local function count(from)
  local id = ARGV[from]
  local items, held = {}, {}
  for i = from + 3, from - 1 + 4 * ARGV[from + 2], 4 do
    items[ARGV[i] .. ';' .. ARGV[i + 1]] = tonumber(ARGV[i + 3])
  end
  close(id, function(key, tag)
    local name = key .. ';' .. tag
    held[name] = true
    return items[name] or 0
  end)
  for i = from + 3, from - 1 + 4 * ARGV[from + 2], 4 do
    local key, tag = ARGV[i], ARGV[i + 1]
    local c = counter(key, tag)
    local pos = math.min(position_of(c.window, tonumber(ARGV[i + 2])), c.pos)
    if not held[key .. ';' .. tag] and c.window.kind ~= 'n' and c.pos - pos < c.window.keep then
      add(c, pos, 0, math.min(tonumber(ARGV[i + 3]), MAX - c.used))
    end
  end
  bury(id)
end

-- A settlement of any kind; one of a run that is gone came before.
local function finish(from)
  if is_gone(ARGV[from]) then return end
  if ARGV[from + 1] == 'c' then count(from) else settle(from) end
end

-- An expired run that goes on holds again as reserved what it was charged with.
local function reopen(run)
  for i = 2, #run, 4 do
    local c, pos, amount = counter(run[i], run[i + 1]), run[i + 2], run[i + 3]
    if amount > 0 and counts(c, pos) then add(c, pos, amount, -amount) end
  end
  run[1] = 0
  made_good = made_good + 1
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

local reply = { 0, now }
local function tell(flag, wanted, deltas, notes)
  local at = #reply + 1
  local n = at
  for i = 1, #wanted do
    local e = wanted[i]
    local c = e.c
    reply[n + 1], reply[n + 2], reply[n + 3] = c.used, c.reserved, resets(c)
    n = n + 3
    if flag == 0 and (c.mark >= 0 or c.used + c.reserved >= e.near) and mark_near(c, e.near, deltas[i]) then
      notes = notes or {}
      notes[#notes + 1] = i
    end
  end
  reply[at] = notes and -#notes or flag
  for i = 1, notes and #notes or 0 do reply[n + i] = notes[i] end
end

-- Raises what an open run holds, or takes it anew. Answers notes of what counts in the window of this call.
local function take(id, run, wanted, deltas, held)
  if run and run[1] == 1 then reopen(run) end
  local notes
  if not run then
    run, notes = { 0 }, { 0 }
    runs[id] = run
  end
  local is_new, n = notes ~= nil, #run
  for i = 1, #wanted do
    local e, delta, index = wanted[i], deltas[i], held[i]
    if not index then
      local pos = e.c.pos
      run[n + 1], run[n + 2], run[n + 3], run[n + 4] = e.key, e.tag, pos, delta
      index, n = n + 1, n + 4
      add(e.c, pos, delta, 0)
    elseif delta > 0 then
      -- What was held in a window that has passed counts nowhere: all of it is held anew, where the counter stands now.
      if not counts(e.c, run[index + 2]) then run[index + 2], run[index + 3] = e.c.pos, 0 end
      run[index + 3] = run[index + 3] + delta
      add(e.c, run[index + 2], delta, 0)
    end
    if not is_new and run[index + 2] == e.c.pos then
      notes = notes or {}
      notes[#notes + 1] = -i
    end
  end
  return notes
end

local function reserve(from)
  local id = ARGV[from]
  if is_gone(id) then
    reply[#reply + 1] = ARGV[from + 2] + 1
    return
  end
  local run, notes = runs[id], nil
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
    notes = take(id, run, wanted, deltas, held)
    due_at[id] = now + ARGV[from + 1]
    changed[id] = true
  end
  tell(refused, wanted, deltas, notes)
end

for i = 1, #due do expire(due[i]) end
for i = 1, settle_count do finish(settles_at[i]) end
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
if spent > 0 then
  redis.call('HINCRBY', KEYS[4], '!expired', spent)
  redis.call('HSETNX', KEYS[4], '!first_expired_at', now)
  redis.call('HSET', KEYS[4], '!last_expired_at', now)
end
if made_good > 0 then redis.call('HINCRBY', KEYS[4], '!made_good', made_good) end
reply[1] = redis.call('HINCRBY', KEYS[4], ARGV[2], 1)
return reply
