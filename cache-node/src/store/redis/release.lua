-- Ends the lease without a page, if it is still the caller's.
-- KEYS: lease. ARGV: token, for how many ms nobody gets the lease (0: the next who asks does), channel, what to tell there.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return 0
end
if tonumber(ARGV[2]) > 0 then
  redis.call('SET', KEYS[1], 'pass', 'PX', ARGV[2])
else
  redis.call('DEL', KEYS[1])
end
redis.call('PUBLISH', ARGV[3], ARGV[4])
return 1
