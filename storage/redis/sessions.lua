-- Notes a run in its session and tells how often runs of it came.
--
-- KEYS: the session's runs, and its runs with this prompt (sorted sets: run id by Unix ms).
-- ARGV: run id, how long a run is remembered in ms, most runs remembered.
-- Answers the runs of the session, those of its last minute, and those with this prompt, this run among all three.
local id, keep_for, most = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local MINUTE = 60000
for i = 1, 2 do
  redis.call('ZREMRANGEBYSCORE', KEYS[i], '-inf', now - keep_for)
  redis.call('ZADD', KEYS[i], 'NX', now, id)
  redis.call('ZREMRANGEBYRANK', KEYS[i], 0, -most - 1)
  redis.call('PEXPIRE', KEYS[i], keep_for)
end
return {
  redis.call('ZCARD', KEYS[1]),
  redis.call('ZCOUNT', KEYS[1], '(' .. (now - MINUTE), '+inf'),
  redis.call('ZCARD', KEYS[2]),
}
