-- wrk asks for one of many pages, by Zipf's law: the second half as often as the first, the third a third.
-- Arguments: how many pages there are, what their paths begin with.

local total, prefix, sums = 0, '', {}

function init(arguments)
  prefix = arguments[2]
  for rank = 1, tonumber(arguments[1]) do
    total = total + 1 / rank
    sums[rank] = total
  end
  math.randomseed(os.time())
end

function request()
  local wanted, low, high = math.random() * total, 1, #sums
  while low < high do
    local middle = math.floor((low + high) / 2)
    if sums[middle] < wanted then low = middle + 1 else high = middle end
  end
  return wrk.format('GET', prefix .. low)
end
