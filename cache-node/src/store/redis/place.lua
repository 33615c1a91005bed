-- Takes a place among the requests in progress of a key, holds it on, or gives it back.
-- KEYS: the key's places, by when they end. ARGV: the place, the most places, how long it is held in ms (0: given back), 1: it is the
-- caller's already, the longest that any is held in ms. Returns 1 if the place is the caller's.
if ARGV[3] == '0' then
  redis.call('ZREM', KEYS[1], ARGV[1])
  return 1
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
-- Those that would last longer than any place may: the clock has gone back.
redis.call('ZREMRANGEBYSCORE', KEYS[1], string.format('(%.0f', now + ARGV[5]), '+inf')
if ARGV[4] ~= '1' and redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[2]) then
  return 0
end
redis.call('ZADD', KEYS[1], string.format('%.0f', now + ARGV[3]), ARGV[1])
if redis.call('PTTL', KEYS[1]) < 2 * ARGV[3] then
  redis.call('PEXPIRE', KEYS[1], 2 * ARGV[3])
end
return 1
