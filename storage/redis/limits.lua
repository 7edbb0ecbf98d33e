-- Reserves, settles and expires across all limits of runs of one tenant; the promise is policy/limits/specification.ts.
--
-- KEYS: the tenant's epoch, open runs (hash: run id to what it holds), due times (sorted set of run ids).
-- ARGV: epoch, how many due runs to expire at most, numbers of counters, settlements and reservations; then
--   counters:     key, window tag, ceiling
--   settlements:  run id, n, then n times key, amount
--   reservations: run id, expires in ms, n, then n times number of the counter, amount
-- Answers 'counters_invalid' where the epoch is not the expected one, and has changed nothing then. Otherwise a flat list:
-- for each reservation 0 or the number of the first item that does not fit, then used, reserved, resets in ms of each item.
--
-- All is read first, decided in memory and written at the end, each key once: an error before the first write leaves
-- nothing half done, and runs of one call share what they read.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 'counters_invalid' end
local sweep, counter_count, settle_count, reserve_count =
  tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
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
local at = 6 + 3 * counter_count
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

-- What each of them holds: {expired, due, items = {{key, tag, position, amount}}}; nil where it holds nothing.
local runs, stored, changed = {}, {}, {}
local function unpack_run(text)
  local flat = { cmsgpack.unpack(text) }
  local items = {}
  for i = 2, #flat, 4 do
    items[#items + 1] = { key = flat[i], tag = flat[i + 1], pos = flat[i + 2], amount = flat[i + 3] }
  end
  return { expired = flat[1] == 1, items = items }
end
for from = 1, #names, CHUNK do
  local values = redis.call('HMGET', KEYS[2], unpack(names, from, math.min(from + CHUNK - 1, #names)))
  for i = 1, #values do
    if values[i] then
      local id = names[from + i - 1]
      runs[id] = unpack_run(values[i])
      stored[id] = true
    end
  end
end

local function bucket(c, pos)
  local b = c.buckets[pos]
  if b then return b end
  b = { used = 0, reserved = 0 }
  if pos <= c.newest and not c.wipe then
    local slot = pos % SLOTS
    local values = redis.call('HMGET', c.id, 'u' .. slot, 'r' .. slot)
    b.used, b.reserved = tonumber(values[1]) or 0, tonumber(values[2]) or 0
  end
  c.buckets[pos] = b
  return b
end

-- Whether what was charged at `pos` still counts. The oldest bucket is looked at too: it is gone where its key was.
local function counts(c, pos)
  if c.pos - pos >= c.window.keep then return false end
  return c.window.kind ~= 'r' or (c.oldest >= 0 and pos >= c.oldest)
end

-- Changes a counter by what is reserved and used more (or less) at `pos`.
local function add(c, pos, reserved, used)
  c.dirty = true
  c.exists = true
  c.reserved = math.max(c.reserved + reserved, 0)
  c.used = math.max(c.used + used, 0)
  if c.window.kind ~= 'r' then return end
  local b = bucket(c, pos)
  b.reserved = math.max(b.reserved + reserved, 0)
  b.used = math.max(b.used + used, 0)
  b.dirty = true
  if c.oldest < 0 then c.oldest = pos end
end

-- Takes what an item holds out of its counter and charges `amount` as used; answers what was charged.
local function charge(run, item, amount)
  local c = counter(item.key, item.tag)
  if not counts(c, item.pos) then return 0, false end
  if c.window.kind == 'n' then
    if not run.expired then add(c, item.pos, -item.amount, 0) end
    return 0, false
  end
  local reserved, used = -item.amount, 0
  if run.expired then reserved, used = 0, -item.amount end
  local charged = math.min(amount, MAX - c.used - used)
  add(c, item.pos, reserved, used + charged)
  return charged, true
end

local function expire(id)
  local run = runs[id]
  changed[id] = true
  if not run or run.expired then
    runs[id] = nil
    return
  end
  local last = 0
  for _, item in ipairs(run.items) do
    local charged, open = charge(run, item, item.amount)
    item.amount = charged
    if open then last = math.max(last, closes(window_of(item.tag), item.pos)) end
  end
  run.expired, run.due = true, last
  if last == 0 then runs[id] = nil end
end

local function settle(from)
  local id = ARGV[from]
  local run = runs[id]
  if not run then return end
  local amounts = {}
  for i = from + 2, from + 2 * ARGV[from + 1], 2 do amounts[ARGV[i]] = tonumber(ARGV[i + 1]) end
  for _, item in ipairs(run.items) do charge(run, item, amounts[item.key] or 0) end
  runs[id] = nil
  changed[id] = true
end

-- An expired run that goes on holds again as reserved what it was charged with.
local function reopen(run)
  for _, item in ipairs(run.items) do
    local c = counter(item.key, item.tag)
    if item.amount > 0 and counts(c, item.pos) then add(c, item.pos, item.amount, -item.amount) end
  end
  run.expired = false
end

local function held_by(run, key, tag)
  if not run then return nil end
  for _, item in ipairs(run.items) do
    if item.key == key and item.tag == tag then return item end
  end
  return nil
end

local reply = {}
local function tell(flag, wanted)
  reply[#reply + 1] = flag
  for i = 1, #wanted do
    local c = wanted[i].c
    reply[#reply + 1] = c.used
    reply[#reply + 1] = c.reserved
    reply[#reply + 1] = resets(c)
  end
end

local function reserve(from)
  local id, expires, count = ARGV[from], tonumber(ARGV[from + 1]), tonumber(ARGV[from + 2])
  local run, wanted, refused = runs[id], {}, 0
  for i = 1, count do
    local entry = 3 + 3 * ARGV[from + 1 + 2 * i]
    local amount, key, tag, ceiling = tonumber(ARGV[from + 2 + 2 * i]), ARGV[entry], ARGV[entry + 1], tonumber(ARGV[entry + 2])
    local c = counter(key, tag)
    local held = held_by(run, key, tag)
    local delta = amount
    if held then delta = counts(c, held.pos) and math.max(amount - held.amount, 0) or 0 end
    wanted[i] = { c = c, key = key, tag = tag, held = held, delta = delta }
    if refused == 0 and (not held or delta > 0) and c.used + c.reserved + delta > ceiling then refused = i end
  end
  if refused > 0 then return tell(refused, wanted) end
  if not run then
    run = { expired = false, items = {} }
    runs[id] = run
  elseif run.expired then
    reopen(run)
  end
  for i = 1, count do
    local w = wanted[i]
    if not w.held then
      run.items[#run.items + 1] = { key = w.key, tag = w.tag, pos = w.c.pos, amount = w.delta }
      add(w.c, w.c.pos, w.delta, 0)
    elseif w.delta > 0 then
      w.held.amount = w.held.amount + w.delta
      add(w.c, w.held.pos, w.delta, 0)
    end
  end
  run.due = now + expires
  changed[id] = true
  tell(0, wanted)
end

for i = 1, #due do expire(due[i]) end
for i = 1, settle_count do settle(settles_at[i]) end
for i = 1, reserve_count do reserve(reserves_at[i]) end

-- Writes a counter that changed, and lets Redis forget it some time after its last window has closed.
local function save(c)
  if not c.dirty or (c.newest < 0 and not c.exists) then return end
  if c.window.kind == 'n' then
    if c.reserved == 0 then
      redis.call('DEL', c.id)
    else
      redis.call('HSET', c.id, 'p', 0, 'u', 0, 'r', c.reserved)
    end
    return
  end
  if c.window.kind ~= 'r' then
    redis.call('HSET', c.id, 'p', c.pos, 'u', c.used, 'r', c.reserved)
  else
    if c.wipe then
      redis.call('DEL', c.id)
    elseif #c.left > 0 then
      redis.call('HDEL', c.id, unpack(c.left))
    end
    local fields = { 'p', c.pos, 'u', c.used, 'r', c.reserved, 'o', c.oldest }
    for pos, b in pairs(c.buckets) do
      if b.dirty then
        local slot, n = pos % SLOTS, #fields
        fields[n + 1], fields[n + 2] = 'u' .. slot, b.used
        fields[n + 3], fields[n + 4] = 'r' .. slot, b.reserved
      end
    end
    redis.call('HSET', c.id, unpack(fields))
  end
  if c.pos > c.newest then redis.call('PEXPIRE', c.id, closes(c.window, c.pos) - now + GRACE) end
end
for i = 1, #touched do save(touched[i]) end

-- Writes what runs hold now, all in four calls for any number of runs.
local put, put_due, drop = {}, {}, {}
for i = 1, #names do
  local id = names[i]
  local run = runs[id]
  if changed[id] and run then
    local flat = { run.expired and 1 or 0 }
    for _, item in ipairs(run.items) do
      local n = #flat
      flat[n + 1], flat[n + 2], flat[n + 3], flat[n + 4] = item.key, item.tag, item.pos, item.amount
    end
    put[#put + 1] = id
    put[#put + 1] = cmsgpack.pack(unpack(flat))
    put_due[#put_due + 1] = run.due
    put_due[#put_due + 1] = id
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
return reply
