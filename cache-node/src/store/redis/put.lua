-- Stores the page made under a lease, and ends the lease. Fenced: whoever does not hold the lease any more stores nothing.
-- KEYS: lease, rules, entry, variants. ARGV: token (the record's mark, too), the page's own rule, record (empty: too large to be
-- kept here), how many ms before the end of its life the record is stale, its life in ms, channel, what to tell there, the most
-- variants, the most rules.
if string.match(redis.call('GET', KEYS[1]) or '', '^(%w+)@') ~= ARGV[1] then
  return 0
end
local function outlive(key)
  if redis.call('PTTL', key) < tonumber(ARGV[5]) then
    redis.call('PEXPIRE', key, ARGV[5])
  end
end
redis.call('DEL', KEYS[1], KEYS[3])
local rules = redis.call('GET', KEYS[2]) or ''
if ARGV[2] ~= '' and not string.find(';' .. rules .. ';', ';' .. ARGV[2] .. ';', 1, true) then
  rules = rules == '' and ARGV[2] or rules .. ';' .. ARGV[2]
  local _, separators = string.gsub(rules, ';', '')
  if separators >= tonumber(ARGV[9]) then
    rules = string.gsub(rules, '^[^;]*;', '')
  end
  redis.call('SET', KEYS[2], rules, 'PX', math.max(redis.call('PTTL', KEYS[2]), tonumber(ARGV[5])))
elseif rules ~= '' then
  outlive(KEYS[2])
end
if ARGV[3] ~= '' then
  local time = redis.call('TIME')
  local now = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
  redis.call('HSET', KEYS[3], 'record', ARGV[3], 'stale_ms', ARGV[4], 'at', now, 'mark', ARGV[1])
  redis.call('PEXPIRE', KEYS[3], ARGV[5])
  if rules ~= '' then
    redis.call('ZADD', KEYS[4], now, KEYS[3])
    outlive(KEYS[4])
    -- The variant that was asked for longest ago makes room.
    while redis.call('ZCARD', KEYS[4]) > tonumber(ARGV[8]) do
      local oldest = redis.call('ZRANGE', KEYS[4], 0, 0)[1]
      redis.call('ZREM', KEYS[4], oldest)
      redis.call('DEL', oldest)
    end
  end
end
redis.call('PUBLISH', ARGV[6], ARGV[7])
return 1
