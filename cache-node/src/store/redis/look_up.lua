-- What is stored for a slot and, where that is not fresh, the lease: one round trip.
-- KEYS: rule, entry, lease. ARGV: the rule the caller goes by, its token, the lease's time limit in ms,
-- 1 if a fresh record does not count.
-- Returns {verdict, record or false, ms left, rule or false}.
local rule = redis.call('GET', KEYS[1]) or ''
if rule ~= ARGV[1] then
  return {'rule', false, 0, rule}
end
local stored = redis.call('HMGET', KEYS[2], 'record', 'stale_ms')
local record, stale_ms = stored[1], tonumber(stored[2] or '') or math.huge
local left = redis.call('PTTL', KEYS[2])
if record and left > stale_ms and ARGV[4] ~= '1' then
  return {'fresh', record, left, false}
end
if redis.call('SET', KEYS[3], ARGV[2], 'NX', 'PX', ARGV[3]) then
  return {'granted', record, left, false}
end
if redis.call('GET', KEYS[3]) == 'pass' then
  return {'passed', false, redis.call('PTTL', KEYS[3]), false}
end
return {'held', record, left, false}
