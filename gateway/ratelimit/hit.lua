-- Counts hits in a sliding window, unless that would pass the limit; see sliding_window.py for the arithmetic.
--
-- KEYS[1]  the counter: "hits first last" of the current run and of the previous one, times in microseconds
-- ARGV     hits (0 only asks whether one would be admitted), limit, window in microseconds
-- KEYS[2]  of a search, beside its counter: "continuations_left at filters_digest text", the last counted search (see searches.py)
-- ARGV     and then: text, others, how often it may be continued, the longest pause in microseconds
-- returns  1 or 0 for admitted or not, the time, what the counter holds now, and of a search the last counted one

local time = redis.call('TIME')
local hits, limit, window = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local now = time[1] * 1000000 + time[2]
local count, first, last, previous_count, previous_first, previous_last = 0, 0, 0, 0, 0, 0

local function continue_session(session)
  local continuations_left, at, others, text = string.match(session or '', '^(%d+) (%d+) (%S+) (.*)$')
  if not continuations_left or tonumber(continuations_left) == 0 or now - tonumber(at) > tonumber(ARGV[7]) or others ~= ARGV[5] then
    return nil
  end
  local shorter = math.min(#text, #ARGV[4])
  if text ~= ARGV[4] and (shorter == 0 or string.sub(text, 1, shorter) ~= string.sub(ARGV[4], 1, shorter)) then
    return nil
  end
  return tonumber(continuations_left) - 1
end

local function save_session(continuations_left)
  local session = string.format('%d %.0f %s %s', continuations_left, now, ARGV[5], ARGV[4])
  redis.call('SET', KEYS[2], session, 'PX', math.ceil(ARGV[7] / 1000))
end

local state = redis.call('GET', KEYS[1])
if state then
  count, first, last, previous_count, previous_first, previous_last =
    string.match(state, '^(%d+) (%d+) (%d+) (%d+) (%d+) (%d+)$')
  count, first, last = tonumber(count), tonumber(first), tonumber(last)
  previous_count, previous_first, previous_last = tonumber(previous_count), tonumber(previous_first), tonumber(previous_last)
end

-- The clock may have gone back: another node holds the key now.
now = math.max(now, last)
local since = now - window

local function count_later_than(run_count, run_first, run_last)
  if since < run_first then
    return run_count
  end
  if since >= run_last then
    return 0
  end
  return run_count * (run_last - since) / (run_last - run_first)
end

local session = KEYS[2] and redis.call('GET', KEYS[2])
local continuations_left = KEYS[2] and continue_session(session)
if continuations_left then
  save_session(continuations_left)
  return { 1, now, count, first, last, previous_count, previous_first, previous_last }
end

local used = count_later_than(count, first, last) + count_later_than(previous_count, previous_first, previous_last)
local admitted = used + math.max(hits, 1) <= limit

if admitted and hits > 0 then
  if count > 0 and since < first then
    count, last = count + hits, now
  else
    previous_count, previous_first, previous_last = count, first, last
    count, first, last = hits, now, now
  end
  state = string.format('%.0f %.0f %.0f %.0f %.0f %.0f', count, first, last, previous_count, previous_first, previous_last)
  redis.call('SET', KEYS[1], state, 'PX', math.ceil(2 * window / 1000))
  if KEYS[2] then
    save_session(tonumber(ARGV[6]))
  end
end

local answer = { admitted and 1 or 0, now, count, first, last, previous_count, previous_first, previous_last }
if session then
  answer[9] = session
end
return answer
