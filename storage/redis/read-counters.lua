-- Reads counters as they stand now and changes nothing. ARGV: key and window tag of each.
-- Answers used, reserved and ms until something is given back, for each.
local reply = {}
for i = 1, #ARGV, 2 do
  local c = counter(ARGV[i], ARGV[i + 1])
  reply[#reply + 1] = c.used
  reply[#reply + 1] = c.reserved
  reply[#reply + 1] = resets(c)
end
return reply
