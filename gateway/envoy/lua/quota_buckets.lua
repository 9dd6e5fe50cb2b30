-- The buckets of one worker: what a caller may still do in one class. QUOTA is put before this text.
--
-- A bucket admits from its lease (hits that the limiter has counted already), else on credit (hits that it reports
-- later), at most as many as its limit allows in one reporting interval. Without either the limiter is asked.
--
--   tokens, run, expires_ms        the lease: hits left, the run of the counter that they were counted in, its end
--   owed, in_flight                hits on credit: not reported yet, reported and not answered yet
--   returned, returned_run         hits of an ended lease, to be given back
--   spent, denied                  since the last report
--   limit, window_ms, remaining    from the last answer, at answered_ms; without a limit the pattern's are taken
--   refused_until_ms, unlimited_until_ms
--   asking                         calls that wait for the limiter's answer

local buckets, older_buckets, bucket_count = {}, {}, 0
local rotated_ms, crowded_until_ms = 0, 0
-- The last limit of the callers of one class and plan, by the bucket's pattern, or that they have none.
local patterns = {}
-- Until then the limiter is left alone, as it did not answer.
local silent_until_ms = 0

-- Half of the buckets, those used least recently, are forgotten at once. Forgotten within a window, callers could
-- have credit time and again: then no new bucket has any.
local function forget_older_buckets(now)
  if next(older_buckets) and now - rotated_ms < QUOTA.memory_ms then
    crowded_until_ms = now + QUOTA.memory_ms
  end
  older_buckets, buckets, bucket_count, rotated_ms = buckets, {}, 0, now
end

local function new_bucket(key, pattern, now)
  return {
    key = key, pattern = pattern, has_credit = now >= crowded_until_ms,
    tokens = 0, expires_ms = 0, run = "0", owed = 0, in_flight = 0, returned = 0, returned_run = "0",
    spent = 0, denied = 0, answered_ms = 0, answered_number = 0, refused_until_ms = 0, unlimited_until_ms = 0,
    wanted = 0, asked_ms = 0, asking = 0,
  }
end

local function bucket_of(key, pattern, now)
  local bucket = buckets[key]
  if bucket then
    return bucket
  end
  bucket = older_buckets[key] or new_bucket(key, pattern, now)
  if bucket_count >= QUOTA.max_buckets / 2 then
    forget_older_buckets(now)
  end
  buckets[key], bucket_count = bucket, bucket_count + 1
  return bucket
end

local function limit_of(bucket)
  local known = bucket.limit and bucket or patterns[bucket.pattern]
  if known then
    return known.limit, known.window_ms
  end
end

-- The hits of a limit that fall to one reporting interval.
local function share_of(limit, window_ms)
  return math.max(1, math.ceil(limit * QUOTA.report_interval_ms / window_ms))
end

-- What all workers together have left, as far as this one knows, beside its own lease.
local function remaining_of(bucket, limit, window_ms, now)
  local known = bucket.limit and now - bucket.answered_ms < window_ms and bucket.remaining or limit
  return known - bucket.owed - bucket.in_flight
end

local function end_lease(bucket)
  if bucket.returned_run ~= bucket.run then
    -- Hits of two runs cannot be given back together, so those of the former are lost.
    bucket.returned, bucket.returned_run = 0, bucket.run
  end
  bucket.returned, bucket.tokens = bucket.returned + bucket.tokens, 0
  -- A refusal since then counted these hits as used.
  bucket.refused_until_ms = 0
end

local function end_expired_lease(bucket, now)
  if bucket.tokens > 0 and now >= bucket.expires_ms then
    end_lease(bucket)
  end
end

local function has_credit(bucket, now)
  local limit, window_ms = limit_of(bucket)
  return limit
    and bucket.has_credit
    and bucket.owed + bucket.in_flight < share_of(limit, window_ms)
    and remaining_of(bucket, limit, window_ms, now) > 0
end

local function was_unlimited(bucket)
  if bucket.was_unlimited ~= nil then
    return bucket.was_unlimited
  end
  return (patterns[bucket.pattern] or {}).was_unlimited
end

-- While the limiter is silent: a share of the limit in each window.
local function silent_admission(bucket, now)
  if was_unlimited(bucket) then
    return "free"
  end
  local limit, window_ms = limit_of(bucket)
  if now >= (bucket.silent_window_ends_ms or 0) then
    local allowed = limit and math.floor(limit * QUOTA.silent_share) or QUOTA.silent_requests
    bucket.silent_left, bucket.silent_window_ends_ms = math.max(1, allowed), now + (window_ms or QUOTA.memory_ms)
  end
  return bucket.silent_left > 0 and "silent" or "refused"
end

-- How a bucket would admit one more hit: free, lease, credit or silent; or refused, or ask.
local function admission_of(bucket, now)
  if bucket.unlimited_until_ms > now then
    return "free"
  end
  end_expired_lease(bucket, now)
  if bucket.tokens > 0 then
    -- Also after a refusal: of calls that ask at once the last one may find all leased to the others.
    return "lease"
  elseif bucket.refused_until_ms > now then
    return "refused"
  elseif silent_until_ms > now then
    return silent_admission(bucket, now)
  end
  return has_credit(bucket, now) and "credit" or "ask"
end

local function spend(bucket, admission)
  bucket.spent = bucket.spent + 1
  if admission == "lease" then
    bucket.tokens = bucket.tokens - 1
  elseif admission ~= "free" then
    bucket.owed = bucket.owed + 1
    if admission == "silent" then
      bucket.silent_left = bucket.silent_left - 1
    end
  end
end

-- The milliseconds until a refused bucket admits again.
local function retry_ms_of(bucket, now)
  if bucket.refused_until_ms > now then
    return bucket.refused_until_ms - now
  end
  return silent_until_ms > now and bucket.silent_window_ends_ms and bucket.silent_window_ends_ms - now or 0
end

-- What clients are told of a bucket; nothing where no limit is known, or none is announced.
local function standing_of(bucket, now)
  local limit, window_ms = limit_of(bucket)
  local policy = bucket.policy or (patterns[bucket.pattern] or {}).policy
  if not limit or bucket.unlimited_until_ms > now or not policy or policy == "-" then
    return nil
  end
  local resets_ms = bucket.resets_ms and bucket.resets_ms > now and bucket.resets_ms - now or window_ms
  -- Answers to calls that asked at once may arrive in another order than they were counted in.
  local remaining = math.min(limit, math.max(0, remaining_of(bucket, limit, window_ms, now)) + bucket.tokens)
  return { limit = limit, window_ms = window_ms, policy = policy, remaining = remaining, reset_ms = resets_ms }
end
