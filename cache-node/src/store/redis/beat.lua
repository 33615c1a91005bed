-- A node says that it is there and what it has acknowledged, and reads on in the purge log: one round trip.
-- KEYS: log, state, members. ARGV: a name for the log if there is none, the node's name, its record, the log
-- it has read, up to where, the most purges to return, channel, what to tell there (empty: nothing). Returns
-- {the log's name, its end, up to where purges were dropped, the time in ms, {place, {purge, previous}} …}.
local id = redis.call('HGET', KEYS[2], 'id')
if not id then
  id = ARGV[1]
  redis.call('DEL', KEYS[1])
  redis.call('HSET', KEYS[2], 'id', id)
end
redis.call('HSET', KEYS[3], ARGV[2], ARGV[3])
if ARGV[8] ~= '' then
  redis.call('PUBLISH', ARGV[7], ARGV[8])
end
local floor = '0-0'
if redis.call('HEXISTS', KEYS[2], 'dropped') == 1 then
  local first = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)[1]
  floor = first and first[2][4] or floor
end
local last = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]
local from = id == ARGV[4] and '(' .. ARGV[5] or '-'
local time = redis.call('TIME')
local purges = {}
for _, entry in ipairs(redis.call('XRANGE', KEYS[1], from, '+', 'COUNT', ARGV[6])) do
  table.insert(purges, {entry[1], entry[2][2], entry[2][4]})
end
return {id, last and last[1] or '0-0', floor, time[1] * 1000 + math.floor(time[2] / 1000), purges}
