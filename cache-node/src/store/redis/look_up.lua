-- What is stored for a request and, where that is not fresh, the lease: one round trip.
-- KEYS: rules, lease, variants, then one entry for each rule and one for pages without Vary. ARGV: the rules the caller goes by,
-- its token, the lease's time limit in ms, the marks of records that the caller cannot use, 1 if a mark on the lease shall not count.
-- Returns {verdict, record or false, ms left of it, rules or false, the record's mark, which entry it is, ms left of the mark}.
local rules = redis.call('GET', KEYS[1]) or ''
if rules ~= ARGV[1] then
  return {'rule', false, 0, rules, '', 0, 0}
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
-- Of those that are not fresh the newest.
local record, left, mark, page, newest = false, 0, '', 0, -1
for n = 4, #KEYS do
  local stored = redis.call('HMGET', KEYS[n], 'record', 'stale_ms', 'at', 'mark')
  local at = tonumber(stored[3] or '') or math.huge
  if stored[1] and at > now then
    -- What was written later than now: the clock has gone back, and lifetimes would last that much longer.
    redis.call('DEL', KEYS[n])
  elseif stored[1] then
    -- Versions before this one wrote no mark.
    local own = stored[4] or stored[3]
    local usable = not string.find(ARGV[4] .. ' ', ' ' .. own .. ' ', 1, true)
    local ms = redis.call('PTTL', KEYS[n])
    if usable and ms > (tonumber(stored[2] or '') or math.huge) then
      if rules ~= '' then
        redis.call('ZADD', KEYS[3], 'XX', now, KEYS[n])
      end
      return {'fresh', stored[1], ms, false, own, n - 4, 0}
    end
    if usable and at > newest then
      record, left, mark, page, newest = stored[1], ms, own, n - 4, at
    end
  end
end
local owner, since = string.match(redis.call('GET', KEYS[2]) or '', '^(%w+)@(%d+)$')
local marked = owner == 'pass' or owner == 'fail'
if not owner or tonumber(since) > now or marked and ARGV[5] == '1' or owner == 'fail' and not record then
  redis.call('SET', KEYS[2], ARGV[2] .. string.format('@%.0f', now), 'PX', ARGV[3])
  return {'granted', record, left, false, mark, page, 0}
end
if marked then
  local verdict = owner == 'pass' and 'passed' or 'failed'
  return {verdict, record, left, false, mark, page, redis.call('PTTL', KEYS[2])}
end
return {'held', record, left, false, mark, page, 0}
