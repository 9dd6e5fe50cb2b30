-- Counts hits in a sliding window, unless that would pass the limit. counter.lua is put before this text.
--
-- ARGV     hits (0 only asks whether one would be admitted), limit, window in microseconds
-- returns  1 or 0 for admitted or not, the time, and what the counter holds now

local hits, limit, window = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local admitted = count_used(window) + math.max(hits, 1) <= limit

if admitted and hits > 0 then
  add_hits(hits, window)
  save_counter(window)
end

return answer_with(admitted and 1 or 0)
