-- Writes a part of a tenant's counters and open runs, in the form that limits.lua reads; needs `now`, which is the time of
-- the beginning. The promise is policy/limits/specification-restore.ts.
--
-- KEYS: the tenant's epoch, open runs, due times, who restores.
-- ARGV: our token, `now`, for how many ms the token is ours, numbers of counters and runs; then
--   counters: key, window tag, Unix ms and amount of the near mark (-1 for none), n, then n times Unix ms, amount
--   runs:     run id, due in Unix ms, n, then n times key, window tag, Unix ms, amount; n is -1 where the run is gone
-- Answers 'superseded' where the token is not ours any more, and has changed nothing then.
if redis.call('GET', KEYS[4]) ~= ARGV[1] then return 'superseded' end
redis.call('PEXPIRE', KEYS[4], ARGV[3])
local at = 6

-- Where what happened at `ms` lies, and whether it is counted still. A clock ahead of ours counts as now; the counter
-- stands at now from here on, so that one that goes back opens no window that has passed.
local function place(c, ms)
  c.dirty, c.exists = true, true
  local pos = math.min(position_of(c.window, ms), c.pos)
  return pos, c.pos - pos < c.window.keep
end

for _ = 1, ARGV[4] do
  local c = counter(ARGV[at], ARGV[at + 1])
  local mark_at, mark_amount = tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3])
  local n = tonumber(ARGV[at + 4])
  for i = at + 5, at + 3 + 2 * n, 2 do
    local pos, counted = place(c, tonumber(ARGV[i]))
    if counted and c.window.kind ~= 'n' then add(c, pos, 0, math.min(tonumber(ARGV[i + 1]), MAX - c.used)) end
  end
  if mark_amount >= 0 then
    local pos, counted = place(c, mark_at)
    if counted then c.mark = c.window.kind == 'n' and mark_amount or pos end
  end
  at = at + 5 + 2 * n
end

-- Counts what a run holds of one counter; answers how much of it is held, and when its window closes where it was charged.
local function hold(c, pos, counted, item)
  if not item.due then
    if not counted then return item.amount, nil end
    local held = math.min(item.amount, MAX - c.reserved)
    add(c, pos, held, 0)
    return held, nil
  end
  if not counted or c.window.kind == 'n' then return 0, nil end
  local held = math.min(item.amount, MAX - c.used)
  add(c, pos, 0, held)
  return held, closes(c.window, pos)
end

for _ = 1, ARGV[5] do
  local id, due_at, n = ARGV[at], tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2])
  local gone = n < 0
  local due, last = due_at <= now, nil
  local run = { gone and 2 or due and 1 or 0 }
  n = math.max(n, 0)
  for i = at + 3, at + 2 + 4 * n, 4 do
    local c = counter(ARGV[i], ARGV[i + 1])
    local pos, counted = place(c, tonumber(ARGV[i + 2]))
    local held, close = hold(c, pos, counted, { due = due, amount = tonumber(ARGV[i + 3]) })
    local size = #run
    run[size + 1], run[size + 2], run[size + 3], run[size + 4] = ARGV[i], ARGV[i + 1], pos, held
    if close then last = math.max(last or 0, close) end
  end
  if not due or last then
    redis.call('HSET', KEYS[2], id, cmsgpack.pack(unpack(run)))
    redis.call('ZADD', KEYS[3], due and last or due_at, id)
  end
  at = at + 3 + 4 * n
end

for i = 1, #touched do save(touched[i]) end
return 'ok'
