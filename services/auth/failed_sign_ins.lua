-- Failed sign-ins in sliding windows, each a sorted set of times, and the row of unknown devices' failures.
--
-- KEYS[1 .. n]  windows; with a row, the last key is the row of unknown devices' failures: count, time of the last
-- ARGV          what to do (read, count, reset), windows' length in microseconds, most to keep of one,
--               1 with a row, the row's life in milliseconds
-- answers       for each window the ages of its failures in microseconds, the oldest first;
--               then, with a row, its count and the age of its last

local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local what, window, most, has_row, row_life = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4] == '1', ARGV[5]
local windows = has_row and #KEYS - 1 or #KEYS
local answer = {}

for i = 1, windows do
  local key = KEYS[i]
  if what == 'reset' then
    redis.call('DEL', key)
  end
  redis.call('ZREMRANGEBYSCORE', key, '-inf', string.format('%.0f', now - window))
  if what == 'count' then
    local last = tonumber(redis.call('ZRANGE', key, -1, -1)[1] or 0)
    local at = string.format('%.0f', math.max(now, last + 1))
    redis.call('ZADD', key, at, at)
    redis.call('ZREMRANGEBYRANK', key, 0, -most - 1)
    redis.call('PEXPIRE', key, math.ceil(window / 1000))
  end
  local ages = {}
  for position, at in ipairs(redis.call('ZRANGE', key, 0, -1)) do
    ages[position] = math.max(0, now - tonumber(at))
  end
  answer[i] = ages
end

if has_row then
  local key = KEYS[#KEYS]
  if what == 'reset' then
    redis.call('DEL', key)
  elseif what == 'count' then
    redis.call('HINCRBY', key, 'count', 1)
    redis.call('HSET', key, 'last', string.format('%.0f', now))
    redis.call('PEXPIRE', key, row_life)
  end
  local row = redis.call('HMGET', key, 'count', 'last')
  answer[#answer + 1] = { tonumber(row[1] or 0), math.max(0, now - tonumber(row[2] or now)) }
end

return answer
