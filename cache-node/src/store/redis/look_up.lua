-- What is stored for a slot and, where that is not fresh, the lease: one round trip.
-- KEYS: rule, entry, lease. ARGV: the rule the caller goes by, its token, the lease's time limit in ms,
-- the mark of a record that the caller cannot use (empty: of none).
-- Returns {verdict, record or false, ms left, rule or false, the record's mark}.
local rule = redis.call('GET', KEYS[1]) or ''
if rule ~= ARGV[1] then
  return {'rule', false, 0, rule, ''}
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local stored = redis.call('HMGET', KEYS[2], 'record', 'stale_ms', 'at', 'mark')
-- Versions before this one wrote no mark.
local mark = stored[4] or stored[3] or 'none'
local record, stale_ms = stored[1], tonumber(stored[2] or '') or math.huge
-- What was written later than now: the clock has gone back, and lifetimes would last that much longer.
if record and (tonumber(stored[3] or '') or math.huge) > now then
  redis.call('DEL', KEYS[2])
  record = false
end
local left = redis.call('PTTL', KEYS[2])
if record and left > stale_ms and ARGV[4] ~= mark then
  return {'fresh', record, left, false, mark}
end
local owner, since = string.match(redis.call('GET', KEYS[3]) or '', '^(%w+)@(%d+)$')
if not owner or tonumber(since) > now then
  redis.call('SET', KEYS[3], ARGV[2] .. string.format('@%.0f', now), 'PX', ARGV[3])
  return {'granted', record, left, false, mark}
end
if owner == 'pass' then
  return {'passed', false, redis.call('PTTL', KEYS[3]), false, mark}
end
return {'held', record, left, false, mark}
