-- Ends the lease without a page, if it is still the caller's. KEYS: lease. ARGV: token, for how many ms
-- nobody gets the lease (0: the next who asks does), channel, what to tell there.
if string.match(redis.call('GET', KEYS[1]) or '', '^(%w+)@') ~= ARGV[1] then
  return 0
end
if tonumber(ARGV[2]) > 0 then
  local time = redis.call('TIME')
  local now = string.format('@%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
  redis.call('SET', KEYS[1], ARGV[5] .. now, 'PX', ARGV[2])
else
  redis.call('DEL', KEYS[1])
end
redis.call('PUBLISH', ARGV[3], ARGV[4])
return 1
