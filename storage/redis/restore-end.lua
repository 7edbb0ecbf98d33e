-- Puts the epoch in force under which the counters were restored.
-- KEYS: the tenant's epoch, who restores. ARGV: our token, the epoch. Answers 'superseded' where the token is not ours.
if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 'superseded' end
redis.call('SET', KEYS[1], ARGV[2])
redis.call('DEL', KEYS[2])
return 'done'
