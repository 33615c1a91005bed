-- Begins the lease's time limit anew, if the lease is still the caller's.
-- KEYS: lease. ARGV: token, time limit in ms.
if string.match(redis.call('GET', KEYS[1]) or '', '^(%w+)@') ~= ARGV[1] then
  return 0
end
local time = redis.call('TIME')
local now = string.format('@%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
redis.call('SET', KEYS[1], ARGV[1] .. now, 'PX', ARGV[2])
return 1
