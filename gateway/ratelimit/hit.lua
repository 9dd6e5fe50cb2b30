-- Counts hits in a sliding window, unless that would pass the limit; see window.py for what is counted how.
--
-- KEYS[1]  the counter: "hits first last" of the current run and of the previous one, times in microseconds
-- ARGV     hits (0 only asks whether one would be admitted), limit, window in microseconds
-- answers  1 or 0 for admitted or not, the time, and what the counter holds now

local time = redis.call('TIME')
local hits, limit, window = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local now = time[1] * 1000000 + time[2]
local count, first, last, old_count, old_first, old_last = 0, 0, 0, 0, 0, 0

local state = redis.call('GET', KEYS[1])
if state then
  count, first, last, old_count, old_first, old_last =
    string.match(state, '^(%d+) (%d+) (%d+) (%d+) (%d+) (%d+)$')
  count, first, last = tonumber(count), tonumber(first), tonumber(last)
  old_count, old_first, old_last = tonumber(old_count), tonumber(old_first), tonumber(old_last)
end

-- The clock may have gone back: another node holds the key now.
now = math.max(now, last)
local since = now - window

local function later(run_count, run_first, run_last)
  if since < run_first then
    return run_count
  end
  if since >= run_last then
    return 0
  end
  return run_count * (run_last - since) / (run_last - run_first)
end

local used = later(count, first, last) + later(old_count, old_first, old_last)
local admitted = used + math.max(hits, 1) <= limit

if admitted and hits > 0 then
  if count > 0 and since < first then
    count, last = count + hits, now
  else
    old_count, old_first, old_last = count, first, last
    count, first, last = hits, now, now
  end
  state = string.format('%.0f %.0f %.0f %.0f %.0f %.0f', count, first, last, old_count, old_first, old_last)
  redis.call('SET', KEYS[1], state, 'PX', math.ceil(2 * window / 1000))
end

return { admitted and 1 or 0, now, count, first, last, old_count, old_first, old_last }
