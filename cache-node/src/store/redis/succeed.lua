-- Begins another log, if the one that has lost purges is still the one in use: nothing granted before counts
-- any more. KEYS: log, state. ARGV: the name of the log that lost purges, the new name, channel, what to tell
-- there.
if redis.call('HGET', KEYS[2], 'id') ~= ARGV[1] then
  return 0
end
redis.call('DEL', KEYS[1], KEYS[2])
redis.call('HSET', KEYS[2], 'id', ARGV[2])
redis.call('PUBLISH', ARGV[3], ARGV[4])
return 1
