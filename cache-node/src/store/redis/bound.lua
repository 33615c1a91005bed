-- Who is bound by a purge: the nodes that follow the log, as long as the log still has the purge. KEYS: log,
-- state, members. ARGV: the log's name, the purge's place. Returns {1 or 0 if Redis has lost the purge, {node,
-- record …}}.
local there = redis.call('HGET', KEYS[2], 'id') == ARGV[1]
  and #redis.call('XRANGE', KEYS[1], ARGV[2], ARGV[2], 'COUNT', 1) > 0
return {there and 1 or 0, redis.call('HGETALL', KEYS[3])}
