-- Writes a purge to the log that all nodes share: one write, whatever it reaches. KEYS: log, state. ARGV: a
-- name for the log if there is none, the purge, the most purges kept, how long one is kept in ms, channel,
-- what to tell there. Returns {the log's name, the purge's place}.
local id = redis.call('HGET', KEYS[2], 'id')
if not id then
  id = ARGV[1]
  redis.call('DEL', KEYS[1])
  redis.call('HSET', KEYS[2], 'id', id)
end
local last = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]
local place = redis.call('XADD', KEYS[1], '*', 'purge', ARGV[2], 'previous', last and last[1] or '0-0')
local oldest = redis.call('TIME')[1] * 1000 - ARGV[4]
local dropped = redis.call('XTRIM', KEYS[1], 'MAXLEN', ARGV[3])
if oldest > 0 then
  dropped = dropped + redis.call('XTRIM', KEYS[1], 'MINID', string.format('%.0f', oldest))
end
if dropped > 0 then
  redis.call('HSET', KEYS[2], 'dropped', 1)
end
redis.call('PUBLISH', ARGV[5], ARGV[6])
return {id, place}
