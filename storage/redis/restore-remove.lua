-- Removes a part of what stands under a tenant, all but who restores.
-- KEYS: the tenant's epoch, who restores. ARGV: our token, for how many ms it is ours, cursor, how many keys to look at.
-- Answers the next cursor, '0' at the end, or 'superseded' where the token is not ours any more.
if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 'superseded' end
redis.call('PEXPIRE', KEYS[2], ARGV[2])
local prefix = string.sub(KEYS[1], 1, -6)
local found = redis.call('SCAN', ARGV[3], 'MATCH', prefix .. '*', 'COUNT', ARGV[4])
for i = 1, #found[2] do
  if found[2][i] ~= KEYS[2] then redis.call('UNLINK', found[2][i]) end
end
return found[1]
