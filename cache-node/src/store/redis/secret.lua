-- Reads a secret that edges share, or changes it if it is still what the caller believes.
-- KEYS: its name. ARGV: 1 if it is to be changed, what is expected (empty: nothing), what it is to be (empty: nothing), how long it is
-- kept in ms. Returns 1 if it was changed, and what it is now.
local now = redis.call('GET', KEYS[1]) or ''
if ARGV[1] ~= '1' or now ~= ARGV[2] then
  return {0, now}
end
if ARGV[3] == '' then
  redis.call('DEL', KEYS[1])
else
  redis.call('SET', KEYS[1], ARGV[3], 'PX', ARGV[4])
end
return {1, ARGV[3]}
