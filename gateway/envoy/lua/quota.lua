-- Admits a call by the buckets of its caller, and says in the answer how much is left. QUOTA_CLASS (gRPC path ->
-- class), caller.lua and the other scripts of quotas are put before this text.

local RESOURCE_EXHAUSTED = "8"
local SMALLEST_PLAN = "FREE"

local function quoted_value(text)
  return (text:gsub("[^%w._:/@-]", function(byte)
    return ("%%%02X"):format(byte:byte())
  end))
end

-- The limiter reads no empty value, and a caller without a plan has the smallest one.
local function plan_of(claims)
  local plan = claims.plan
  return type(plan) == "string" and plan ~= "" and plan or SMALLEST_PLAN
end

-- The buckets of a call: of the user by plan, of the company whose API keys call, or of the client's networks.
local function buckets_of_call(class, claims, networks, now)
  if claims then
    local pattern = "class=" .. class .. ",plan=" .. quoted_value(plan_of(claims)) .. ",user="
    local company = claims.scope and claims.org
    local caller = company and company ~= "" and company or claims.sub
    return { bucket_of(pattern .. quoted_value(tostring(caller)), pattern, now) }
  end
  local found = {}
  for i, network in ipairs(networks) do
    local pattern = "class=" .. class .. ",address" .. NETWORK_SUFFIXES[i] .. "="
    found[i] = bucket_of(pattern .. quoted_value(network), pattern, now)
  end
  return found
end

-- How each bucket would admit the call, and which of them refuse it or have to ask.
local function admissions_of(found, now)
  local admissions, refused, asking = {}, {}, {}
  for i, bucket in ipairs(found) do
    local admission = admission_of(bucket, now)
    admissions[i] = admission
    if admission == "refused" then
      refused[#refused + 1] = bucket
    elseif admission == "ask" then
      asking[#asking + 1] = bucket
    end
  end
  return admissions, refused, asking
end

-- Counts a call in all its buckets or in none. Returns the buckets that refuse it.
local function admit_call(handle, found, now)
  local admissions, refused, asking = admissions_of(found, now)
  if #refused == 0 and #asking > 0 then
    ask_limiter(handle, asking, now)
    now = tonumber(handle:timestamp())
    admissions, refused, asking = admissions_of(found, now)
    for _, bucket in ipairs(asking) do
      -- Others took what was granted.
      refused[#refused + 1] = bucket
    end
  end
  if #refused > 0 then
    return refused
  end
  for i, bucket in ipairs(found) do
    spend(bucket, admissions[i])
  end
  return nil
end

local function seconds(milliseconds)
  return math.max(0, math.ceil(milliseconds / 1000))
end

-- What is said of the tightest of some buckets.
local function tightest_standing(found, now)
  local tightest
  for _, bucket in ipairs(found) do
    local standing = standing_of(bucket, now)
    if standing and (not tightest or standing.remaining < tightest.remaining) then
      tightest = standing
    end
  end
  return tightest
end

local function rate_limit_headers(standing)
  local reset_s = seconds(standing.reset_ms)
  return {
    ["x-ratelimit-limit"] = tostring(standing.limit),
    ["x-ratelimit-remaining"] = tostring(standing.remaining),
    ["x-ratelimit-reset"] = tostring(reset_s),
    ["ratelimit"] = string.format("%s;r=%d;t=%d", standing.policy, standing.remaining, reset_s),
    ["ratelimit-policy"] = string.format("%s;q=%d;w=%d", standing.policy, standing.limit, seconds(standing.window_ms)),
  }
end

local function text_of_standing(standing)
  return string.format(
    "%d %d %d %d %s", standing.limit, standing.window_ms, standing.remaining, standing.reset_ms, standing.policy
  )
end

local function standing_in(text)
  local limit, window_ms, remaining, reset_ms, policy = text:match("^(%d+) (%d+) (%d+) (%d+) (.+)$")
  return {
    limit = tonumber(limit), window_ms = tonumber(window_ms), remaining = tonumber(remaining),
    reset_ms = tonumber(reset_ms), policy = policy,
  }
end

-- The bucket that refuses for the longest time, as earlier retries fail.
local function longest_refusal(refused, now)
  local longest, longest_ms
  for _, bucket in ipairs(refused) do
    local retry_ms = retry_ms_of(bucket, now)
    bucket.denied = bucket.denied + 1
    if not longest or retry_ms > longest_ms then
      longest, longest_ms = bucket, retry_ms
    end
  end
  return longest, longest_ms
end

local function refuse_call(handle, refused, now)
  local bucket, retry_ms = longest_refusal(refused, now)
  local standing = standing_of(bucket, now)
  local headers = {}
  if standing then
    standing.remaining, standing.reset_ms = 0, retry_ms
    headers = rate_limit_headers(standing)
  end
  headers[":status"], headers["grpc-status"] = "429", RESOURCE_EXHAUSTED
  headers["x-envoy-ratelimited"] = "true"
  headers["retry-after"] = tostring(math.max(1, seconds(retry_ms)))
  handle:respond(headers, "")
end

-- Counts and refuses a call of a class with quotas. The handle's parts have to be asked for again afterwards.
local function enforce_quota(handle, class, claims, networks)
  local now = tonumber(handle:timestamp())
  local search = class == "SEARCH" and search_of(handle:headers():get("x-envoy-original-path")) or nil
  local found = buckets_of_call(class, claims, networks, now)
  local refused
  if not continues_search(found[1], search, now) then
    refused = admit_call(handle, found, now)
    now = tonumber(handle:timestamp())
    if not refused then
      remember_search(found[1], search, now)
    end
  end
  local standing = not refused and tightest_standing(found, now)
  for _, bucket in ipairs(found) do
    mark_pending(bucket)
  end
  send_report(handle, now)
  if refused then
    return refuse_call(handle, refused, now)
  end
  if standing then
    -- One text, as each value of the metadata costs as much as all counting.
    handle:streamInfo():dynamicMetadata():set(QUOTA_METADATA, "standing", text_of_standing(standing))
  end
end

function envoy_on_response(handle)
  local saved = handle:streamInfo():dynamicMetadata():get(QUOTA_METADATA)
  if not saved then
    return
  elseif saved.is_report then
    return receive_report_answer(handle)
  end
  local headers = handle:headers()
  for name, value in pairs(rate_limit_headers(standing_in(saved.standing))) do
    headers:replace(name, value)
  end
end
