-- What the scripts of counters share; it is put before each of them. See sliding_window.py for the arithmetic.
--
-- KEYS[1]  the counter: "hits first last" of the current run and of the previous one, times in microseconds

local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local count, first, last, previous_count, previous_first, previous_last = 0, 0, 0, 0, 0, 0

local state = redis.call('GET', KEYS[1])
if state then
  count, first, last, previous_count, previous_first, previous_last =
    string.match(state, '^(%d+) (%d+) (%d+) (%d+) (%d+) (%d+)$')
  count, first, last = tonumber(count), tonumber(first), tonumber(last)
  previous_count, previous_first, previous_last = tonumber(previous_count), tonumber(previous_first), tonumber(previous_last)
end

-- The clock may have gone back: another node holds the key now.
now = math.max(now, last)

local function count_later_than(since, run_count, run_first, run_last)
  if since < run_first then
    return run_count
  end
  if since >= run_last then
    return 0
  end
  return run_count * (run_last - since) / (run_last - run_first)
end

local function count_used(window)
  local since = now - window
  return count_later_than(since, count, first, last) + count_later_than(since, previous_count, previous_first, previous_last)
end

local function add_hits(hits, window)
  if now - window < first then
    count, last = count + hits, now
  else
    previous_count, previous_first, previous_last = count, first, last
    count, first, last = hits, now, now
  end
end

local function save_counter(window)
  state = string.format('%.0f %.0f %.0f %.0f %.0f %.0f', count, first, last, previous_count, previous_first, previous_last)
  redis.call('SET', KEYS[1], state, 'PX', math.ceil(2 * window / 1000))
end

-- The head of an answer and what the counter holds now.
local function answer_with(head)
  return { head, now, count, first, last, previous_count, previous_first, previous_last }
end
