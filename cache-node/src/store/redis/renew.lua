-- Begins the lease's time limit anew, if the lease is still the caller's.
-- KEYS: lease. ARGV: token, time limit in ms.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return 0
end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
