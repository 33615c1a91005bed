-- wrk asks with gzip each time in so many; 0: never. Argument: that number.

local each, asked = 0, 0
local plain, with_gzip

function init(arguments)
  each = tonumber(arguments[1])
  plain = wrk.format()
  wrk.headers['Accept-Encoding'] = 'gzip'
  with_gzip = wrk.format()
end

function request()
  asked = asked + 1
  if each > 0 and asked % each == 0 then return with_gzip end
  return plain
end
