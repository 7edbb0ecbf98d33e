-- Begins to restore a tenant's counters, or goes on to: needs `now`.
-- KEYS: the tenant's epoch, who restores. ARGV: the epoch to come, our token, for how many ms it is ours.
-- Answers 'done' where that epoch is in force already, 'busy' while another token holds, or else the time. From here on
-- no epoch stands, so nobody reserves until the restoring ends.
if redis.call('GET', KEYS[1]) == ARGV[1] then return 'done' end
local holder = redis.call('GET', KEYS[2])
if holder and holder ~= ARGV[2] then return 'busy' end
redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[3])
redis.call('DEL', KEYS[1])
return now
