-- Reports to the limiter, and its answers: one line for each bucket, in one message of gRPC. The format is that of
-- gateway/ratelimit/quota_messages.py.

local FRAME_BYTES = 5
local TIMED_OUT = "504"
local pending, pending_count = {}, 0
local next_report_ms = 0
local last_number = 0
-- The report that is not answered yet.
local flight

local function mark_pending(bucket)
  if not bucket.is_pending then
    bucket.is_pending, pending_count = true, pending_count + 1
    pending[pending_count] = bucket
  end
end

-- Moves what a bucket has to report into a report; `wanted` hits are asked for.
local function take_report(bucket, wanted)
  last_number = last_number + 1
  local sent = {
    number = last_number, bucket = bucket, spent = bucket.spent, denied = bucket.denied, owed = bucket.owed,
    returned = bucket.returned, run = bucket.returned_run, wanted = wanted,
  }
  bucket.in_flight = bucket.in_flight + bucket.owed
  bucket.spent, bucket.denied, bucket.owed, bucket.returned = 0, 0, 0, 0
  return sent
end

-- Puts back what a report holds that did not arrive.
local function restore_report(sent)
  local bucket = sent.bucket
  bucket.spent, bucket.denied = bucket.spent + sent.spent, bucket.denied + sent.denied
  bucket.owed, bucket.in_flight = bucket.owed + sent.owed, bucket.in_flight - sent.owed
  if bucket.returned == 0 then
    bucket.returned, bucket.returned_run = sent.returned, sent.run
  end
  mark_pending(bucket)
end

-- Of a report without an answer in time nobody knows whether it was counted, and an uncounted hit is better than one
-- that counts twice.
local function forget_report(sent)
  sent.bucket.in_flight = sent.bucket.in_flight - sent.owed
end

local function message_of(reports)
  local lines = {}
  for i, sent in ipairs(reports) do
    lines[i] = string.format(
      "%s %d %d %d %d %s %d",
      sent.bucket.key, sent.spent, sent.denied, sent.owed, sent.returned, sent.run, sent.wanted
    )
  end
  local text = table.concat(lines, "\n")
  local length = #text
  return string.char(
    0, math.floor(length / 16777216) % 256, math.floor(length / 65536) % 256, math.floor(length / 256) % 256, length % 256
  ) .. text
end

local function request_headers()
  return {
    [":method"] = "POST", [":path"] = QUOTA.method, [":authority"] = "ratelimit",
    ["content-type"] = "application/grpc", ["te"] = "trailers", [QUOTA.header] = "1",
  }
end

local function apply_lease(bucket, granted, run, expires_ms)
  if granted == 0 then
    return
  elseif bucket.run ~= run then
    -- Hits of two runs cannot be given back together, so those of the former are lost.
    bucket.tokens = 0
  end
  bucket.tokens, bucket.run, bucket.expires_ms = bucket.tokens + granted, run, expires_ms
end

local function apply_limit(bucket, answer, now)
  bucket.limit, bucket.window_ms, bucket.policy = answer.limit, answer.window_ms, answer.policy
  bucket.remaining, bucket.answered_ms, bucket.resets_ms = answer.remaining, now, now + answer.reset_ms
  bucket.unlimited_until_ms, bucket.was_unlimited, bucket.silent_window_ends_ms = 0, false, nil
  bucket.refused_until_ms = answer.retry_ms > 0 and now + answer.retry_ms or 0
  patterns[bucket.pattern] = answer
end

local function parse_answer(line)
  local state, granted, remaining, limit, window_ms, reset_ms, retry_ms, run, policy =
    line:match("^(%l+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (.+)$")
  return state and {
    state = state, granted = tonumber(granted), remaining = tonumber(remaining), limit = tonumber(limit),
    window_ms = tonumber(window_ms), reset_ms = tonumber(reset_ms), retry_ms = tonumber(retry_ms),
    run = run, policy = policy,
  }
end

local function apply_answer(sent, line, sent_ms, now)
  local bucket, answer = sent.bucket, parse_answer(line)
  if not answer then
    return restore_report(sent)
  end
  bucket.in_flight = bucket.in_flight - sent.owed
  apply_lease(bucket, answer.granted, answer.run, sent_ms + QUOTA.lease_ms)
  if sent.number < bucket.answered_number then
    -- A later report was answered first. A refusal in its answer knew nothing of what this one gave back.
    if sent.returned > 0 then
      bucket.refused_until_ms = 0
    end
    return
  end
  bucket.answered_number = sent.number
  if answer.state == "limited" then
    apply_limit(bucket, answer, now)
  elseif answer.state == "unlimited" then
    bucket.unlimited_until_ms, bucket.was_unlimited = now + QUOTA.memory_ms, true
    bucket.limit, bucket.refused_until_ms = nil, 0
    patterns[bucket.pattern] = { was_unlimited = true }
  else
    -- The counters do not answer, so calls pass until the next report.
    bucket.unlimited_until_ms, bucket.refused_until_ms = now + QUOTA.report_interval_ms, 0
  end
end

-- Returns whether the limiter answered.
local function apply_response(reports, status, body, sent_ms, now)
  if status ~= "200" or not body or #body <= FRAME_BYTES then
    silent_until_ms = now + QUOTA.silence_ms
    local give_up = status == TIMED_OUT and forget_report or restore_report
    for _, sent in ipairs(reports) do
      give_up(sent)
    end
    return false
  end
  silent_until_ms = 0
  local lines = body:sub(FRAME_BYTES + 1):gmatch("[^\n]+")
  for _, sent in ipairs(reports) do
    apply_answer(sent, lines() or "", sent_ms, now)
  end
  return true
end

-- The hits to ask for: twice as many each time in a burst; for a call that waits beside others, its own.
local function wanted_by_call(bucket, now)
  if bucket.asking > 0 then
    return 1
  end
  local limit, window_ms = limit_of(bucket)
  local is_burst = now - bucket.asked_ms < QUOTA.lease_ms
  bucket.wanted = is_burst and bucket.wanted * 2 or 2 * (limit and share_of(limit, window_ms) or 1)
  bucket.asked_ms = now
  return bucket.wanted
end

-- Asks for some buckets at once, while the call waits.
local function ask_limiter(handle, asked, now)
  local reports = {}
  for i, bucket in ipairs(asked) do
    reports[i] = take_report(bucket, wanted_by_call(bucket, now))
    bucket.asking = bucket.asking + 1
  end
  local headers, body =
    handle:httpCall("ratelimit", request_headers(), message_of(reports), QUOTA.ask_timeout_ms)
  for _, bucket in ipairs(asked) do
    bucket.asking = bucket.asking - 1
  end
  return apply_response(reports, headers[":status"], body, now, tonumber(handle:timestamp()))
end

-- What a bucket that spends faster than its credit would need until the next report.
local function wanted_until_next_report(bucket)
  local limit, window_ms = limit_of(bucket)
  local is_fast = limit and bucket.tokens == 0 and bucket.spent > share_of(limit, window_ms)
  return is_fast and bucket.refused_until_ms == 0 and 2 * bucket.spent or 0
end

-- Whether a bucket has leased so much that others would miss it.
local function has_large_lease(bucket)
  local limit, window_ms = limit_of(bucket)
  return limit and bucket.tokens > share_of(limit, window_ms)
end

-- Takes the reports of the buckets in use. Those with a large lease stay, so that it is given back when it ends.
local function take_pending(now)
  local reports, leased, first = {}, {}, math.max(1, pending_count - QUOTA.max_reported_buckets + 1)
  for i = pending_count, first, -1 do
    local bucket = pending[i]
    pending[i], bucket.is_pending = nil, false
    end_expired_lease(bucket, now)
    reports[#reports + 1] = take_report(bucket, wanted_until_next_report(bucket))
    if has_large_lease(bucket) then
      leased[#leased + 1] = bucket
    end
  end
  pending_count = first - 1
  local is_complete = pending_count == 0
  for _, bucket in ipairs(leased) do
    mark_pending(bucket)
  end
  return reports, is_complete
end

-- Sends a report when one is due; the call does not wait for its answer.
local function send_report(handle, now)
  if flight and now - flight.sent_ms > 2 * QUOTA.report_timeout_ms then
    local lost = flight
    flight = nil
    apply_response(lost.reports, TIMED_OUT, nil, lost.sent_ms, now)
  end
  -- The clock may have gone back.
  next_report_ms = math.min(next_report_ms, now + QUOTA.report_interval_ms)
  if flight or pending_count == 0 or now < next_report_ms then
    return
  end
  local reports, is_complete = take_pending(now)
  flight = { reports = reports, sent_ms = now }
  next_report_ms = is_complete and now + QUOTA.report_interval_ms or now
  -- A report is of many callers, so it is part of nobody's trace.
  local options = { asynchronous = true, timeout_ms = QUOTA.report_timeout_ms, trace_sampled = false }
  handle:httpCall(QUOTA.listener, request_headers(), message_of(reports), options)
end

-- Takes the answer to the report, which passes the internal listener.
local function receive_report_answer(handle)
  local answered = flight
  if not answered then
    return
  end
  local status = handle:headers():get(":status")
  local body = handle:body(true)
  local bytes = body:length() > 0 and body:getBytes(0, body:length()) or nil
  flight = nil
  apply_response(answered.reports, status, bytes, answered.sent_ms, tonumber(handle:timestamp()))
end
