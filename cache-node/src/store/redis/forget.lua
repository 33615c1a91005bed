-- Takes a node off the list, if its record is still this one (empty: whatever it is).
-- KEYS: members. ARGV: name, record.
if ARGV[2] ~= '' and redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then
  return 0
end
return redis.call('HDEL', KEYS[1], ARGV[1])
