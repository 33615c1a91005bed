-- Stores the page made under a lease, and ends the lease. Fenced: whoever does not hold the lease any more
-- stores nothing. KEYS: lease, rule, entry. ARGV: token (the record's mark, too), rule, record (empty: too
-- large to be kept here), how many ms before the end of its life the record is stale, its life in ms,
-- channel, what to tell there.
if string.match(redis.call('GET', KEYS[1]) or '', '^(%w+)@') ~= ARGV[1] then
  return 0
end
redis.call('DEL', KEYS[1], KEYS[3])
if ARGV[3] ~= '' then
  local time = redis.call('TIME')
  local now = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
  redis.call('HSET', KEYS[3], 'record', ARGV[3], 'stale_ms', ARGV[4], 'at', now, 'mark', ARGV[1])
  redis.call('PEXPIRE', KEYS[3], ARGV[5])
end
if ARGV[2] == '' then
  redis.call('DEL', KEYS[2])
elseif redis.call('GET', KEYS[2]) ~= ARGV[2] or redis.call('PTTL', KEYS[2]) < tonumber(ARGV[5]) then
  redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[5])
end
redis.call('PUBLISH', ARGV[6], ARGV[7])
return 1
