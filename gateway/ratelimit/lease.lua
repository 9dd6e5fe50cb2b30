-- Counts what somebody reports who counts by themselves, and what they are leased; `lease_hits` in counter_store.py is
-- the same. counter.lua is put before this text.
--
-- ARGV     owed hits, which count also beyond the limit; returned hits and the beginning of their run; wanted hits;
--          limit, window in microseconds
-- returns  the granted hits, the time, and what the counter holds now

local owed, returned, run, wanted = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local limit, window = tonumber(ARGV[5]), tonumber(ARGV[6])

if count > 0 and run == first then
  count = math.max(0, count - returned)
elseif run == previous_first then
  previous_count = math.max(0, previous_count - returned)
end
if owed > 0 then
  add_hits(owed, window)
end
local remaining = math.max(0, math.floor(limit - count_used(window)))
local granted = math.min(wanted, remaining - math.floor(remaining / 2))
if granted > 0 then
  add_hits(granted, window)
end
if owed + returned + granted > 0 then
  save_counter(window)
end

return answer_with(granted)
