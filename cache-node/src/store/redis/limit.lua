-- Counts a request in a leaky bucket, or only looks. Buckets stand together in tables, so that their number is bounded: in a full
-- table the one that is empty soonest makes room.
-- KEYS: table. ARGV: the bucket, what a request pours in, the most that it may hold, what it holds at least with this request (all
-- three in microseconds), 1: count the request, the most buckets of a table.
-- Returns {1 if the request is allowed, what the bucket holds with it in microseconds}.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local function read(stored)
  local at, held = string.match(stored or '', '^(%d+) (%d+)$')
  -- A clock that was set back: nothing has drained since.
  return at and tonumber(held) - math.max(now - tonumber(at), 0)
end
local left, interval, held = read(redis.call('HGET', KEYS[1], ARGV[1])), tonumber(ARGV[2]), tonumber(ARGV[4])
if left then
  held = math.max(held, left + interval)
end
if held > tonumber(ARGV[3]) then
  return {0, held}
end
if ARGV[5] == '1' then
  redis.call('HSET', KEYS[1], ARGV[1], string.format('%.0f %.0f', now, held))
  local life = math.ceil((held + interval) / 1000) + 1
  if redis.call('PTTL', KEYS[1]) < life then
    redis.call('PEXPIRE', KEYS[1], life)
  end
  if redis.call('HLEN', KEYS[1]) > tonumber(ARGV[6]) then
    local all, soonest, name = redis.call('HGETALL', KEYS[1]), math.huge, nil
    for n = 1, #all, 2 do
      local left = read(all[n + 1]) or -math.huge
      if all[n] ~= ARGV[1] and left < soonest then
        soonest, name = left, all[n]
      end
    end
    if name then
      redis.call('HDEL', KEYS[1], name)
    end
  end
end
return {1, held}
