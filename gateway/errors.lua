-- What Envoy itself has to say (a path that it cannot resolve, JSON that it
-- cannot read, a token that is missing, a limit that is reached, a service
-- that does not answer) leaves as the same google.rpc body as an error of a
-- service. Public reads get their validator here, and are answered with 304
-- to whoever has them already. REASONS, `words.lua` and what a request may say are put before this
-- text when the configuration is made. What comes from the cache does not pass
-- here, unless its request was conditional: this script would double its cost.

local GATEWAY = "internshipconnect.gateway"
local ERROR_INFO = "type.googleapis.com/google.rpc.ErrorInfo"
local BAD_REQUEST = "type.googleapis.com/google.rpc.BadRequest"
local RETRY_INFO = "type.googleapis.com/google.rpc.RetryInfo"
local REQUEST_INFO = "type.googleapis.com/google.rpc.RequestInfo"

local REASON_OF_STATUS = {
  ["400"] = "MALFORMED_REQUEST",
  ["404"] = "UNKNOWN_PATH",
  ["405"] = "UNKNOWN_PATH",
  ["408"] = "DEADLINE_EXCEEDED",
  ["413"] = "PAYLOAD_TOO_LARGE",
  ["429"] = "OVERLOADED",
  ["431"] = "PAYLOAD_TOO_LARGE",
  ["502"] = "UNAVAILABLE",
  ["503"] = "UNAVAILABLE",
  ["504"] = "DEADLINE_EXCEEDED",
}

local REASON_OF_GRPC_STATUS = {
  ["1"] = "OVERLOADED",
  ["4"] = "DEADLINE_EXCEEDED",
  ["8"] = "OVERLOADED",
  ["12"] = "UNKNOWN_METHOD",
  ["14"] = "UNAVAILABLE",
}

-- Statuses with which the filters for tokens and limits refuse a call, and those worth another try.
local REFUSALS = { ["401"] = true, ["403"] = true, ["429"] = true, ["499"] = true }
local RETRYABLE = { ["429"] = true, ["503"] = true }

-- They tell of the one who asked first.
local OF_ONE_CALL = {
  "x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset", "ratelimit", "ratelimit-policy",
  "x-fresh-for", "grpc-accept-encoding", "grpc-message", "grpc-status", "x-envoy-upstream-service-time",
}

local PROBES = {
  ["/health"] = { ["200"] = '{"status":"ok"}', ["503"] = '{"status":"draining"}' },
  ["/ready"] = { ["200"] = '{"status":"ready"}', ["503"] = '{"status":"not ready"}' },
}

local function quoted(text)
  local escaped = text:gsub('[%c"\\]', function(c)
    return string.format("\\u%04x", c:byte())
  end)
  return '"' .. escaped .. '"'
end

-- The transcoder names the field in its text; nothing else carries it.
local function classify(status, text)
  local unknown = text:match('^Could not find field "([^"]+)"')
  if unknown then
    return "UNKNOWN_PARAMETER", unknown, "there is no such parameter"
  end
  if status == "400" then
    local field, trouble = complaint(text)
    if field then
      return "INVALID_FIELD", field, trouble
    end
  end
  return REASON_OF_STATUS[status] or (status:sub(1, 1) == "5" and "INTERNAL" or "MALFORMED_REQUEST")
end

-- What the filters for tokens and limits say; both speak as gRPC, which the transcoder makes JSON of.
local function refusal_of(headers, text)
  if headers:get("x-envoy-ratelimited") then
    return "RATE_LIMITED"
  elseif text:find("Jwt is missing", 1, true) then
    return "TOKEN_MISSING"
  elseif text:find("Jwt is expired", 1, true) then
    return "TOKEN_EXPIRED"
  elseif text:find("remote fetch", 1, true) then
    return "UNAVAILABLE"
  elseif text:find("Jw", 1, true) or text:find("Audiences", 1, true) then
    return "TOKEN_INVALID"
  end
end

-- What the buffer and gRPC say of a message that they do not even read.
local function size_refusal_of(text)
  if text:find("Payload Too Large", 1, true) or text:find("larger than max", 1, true) then
    return "PAYLOAD_TOO_LARGE"
  end
end

local function violation_json(violation)
  return string.format('{"field":%s,"description":%s}', quoted(violation.field), quoted(violation.description))
end

local function bad_request(violations)
  local rows = {}
  for i = 1, #violations do
    rows[i] = violation_json(violations[i])
  end
  return string.format('{"@type":"%s","fieldViolations":[%s]}', BAD_REQUEST, table.concat(rows, ","))
end

local function status_json(reason, message, violations, request_id, wait_s)
  local spec = REASONS[reason]
  local details = {
    string.format('{"@type":"%s","reason":"%s","domain":"internshipconnect","metadata":{}}', ERROR_INFO, reason),
  }
  if violations then
    details[#details + 1] = bad_request(violations)
  end
  if spec.retryable then
    details[#details + 1] = string.format('{"@type":"%s","retryDelay":"%ss"}', RETRY_INFO, wait_s or "1")
  end
  if request_id then
    details[#details + 1] = string.format('{"@type":"%s","requestId":%s}', REQUEST_INFO, quoted(request_id))
  end
  return string.format('{"code":%d,"message":%s,"details":[%s]}', spec.code, quoted(message), table.concat(details, ","))
end

local function error_body(status, text, request_id, known, wait_s)
  local reason, field, trouble
  if known then
    reason = known
  else
    reason, field, trouble = classify(status, text)
  end
  local message = field and field .. ": " .. trouble or REASONS[reason].help
  local more = reason == "MALFORMED_REQUEST" and malformed(text)
  if more then
    message = message .. " " .. more
  end
  local violations = field and { { field = field, description = trouble } }
  return status_json(reason, message, violations, request_id, wait_s)
end

local function answer_json(handle, body)
  handle:body(true):setBytes(body)
  handle:headers():replace("content-type", "application/json")
end

local function tell_when_to_retry(handle)
  local body = handle:body()
  local text = body and tostring(body:getBytes(0, body:length())) or ""
  local seconds = text:match('"retryDelay":"(%d+)')
  if seconds then
    local at_least_one = math.max(1, tonumber(seconds))
    handle:headers():replace("retry-after", tostring(at_least_one))
  end
end

-- Two sums over the body, so that two different bodies have the same tag once in 2^60.
local function tag_of(body)
  local one, two = 5381, 52711
  for i = 1, #body do
    local byte = body:byte(i)
    one = (one * 33 + byte) % 1073741789
    two = (two * 65599 + byte) % 1073741783
  end
  return string.format('W/"%x-%x-%x"', #body, one, two)
end

-- Behind the cache: an answer that shared caches may keep says so, gets its tag, and tells of nobody.
local function mark_public(handle, headers, seconds)
  if headers:get("x-stale") then
    return
  end
  -- The clock changes some answers: those are kept until then at most.
  local holds = tonumber(headers:get("x-fresh-for") or "")
  local body = handle:body(true)
  local tag = tag_of(tostring(body:getBytes(0, body:length())))
  -- Waiting for the body ends the life of what was taken from the handle before.
  headers = handle:headers()
  for i = 1, #OF_ONE_CALL do
    headers:remove(OF_ONE_CALL[i])
  end
  headers:replace("etag", tag)
  if holds and holds < seconds then
    headers:replace("cache-control", string.format("public, max-age=%d, must-revalidate", holds))
    return
  end
  headers:replace("cache-control", string.format(
    "public, max-age=%d, stale-while-revalidate=%d, stale-if-error=%d", seconds, seconds, 10 * seconds))
end

-- Whether a list of tags, or `*`, names a tag: by what stands in its quotes, weak or not.
local function names_tag(wanted, tag)
  local value = tag:match('"[^"]*"')
  if wanted:match("^%s*%*%s*$") then
    return true
  end
  for each in wanted:gmatch('"[^"]*"') do
    if each == value then
      return true
    end
  end
  return false
end

-- Whoever has the answer already gets none.
local function answer_unchanged(handle, headers, wanted)
  local tag = headers:get("etag")
  if tag and names_tag(wanted, tag) then
    handle:body(true):setBytes("")
    headers = handle:headers()
    headers:replace(":status", "304")
    headers:remove("content-length")
    headers:remove("content-type")
  end
end

-- Gives an error of Envoy's or gRPC's own the shape of ours; a JSON body that has a reason is a service's.
local function retell(handle, status, is_json, request_id)
  local body = handle:body(true)
  local headers = handle:headers()
  local text = body:length() > 0 and tostring(body:getBytes(0, body:length())) or ""
  if is_json and text:find('"reason"', 1, true) then
    return
  end
  local known = REFUSALS[status] and refusal_of(headers, text)
  headers:remove("x-envoy-ratelimited")
  if known == "UNAVAILABLE" then
    status = "503"
  elseif status == "499" then
    -- gRPC itself cancels what a service has no room for.
    known, status = "OVERLOADED", "429"
  end
  headers:replace(":status", status)
  local wait_s = (headers:get("retry-after") or ""):match("^%d+$")
  answer_json(handle, error_body(status, is_json and "" or text, request_id, known, wait_s))
end

-- A length-delimited field of a protobuf message; all numbers here are below 16.
local function field_of(number, bytes)
  local length, left = "", #bytes
  while left >= 128 do
    length = length .. string.char(left % 128 + 128)
    left = math.floor(left / 128)
  end
  return string.char(number * 8 + 2) .. length .. string.char(left) .. bytes
end

local function varint_field(number, value)
  return string.char(number * 8, value)
end

local function any_of(type_url, bytes)
  return field_of(3, field_of(1, type_url) .. field_of(2, bytes))
end

-- google.rpc.Status as gRPC clients get it, in a header.
local function status_bytes(reason, request_id, wait_s)
  local spec = REASONS[reason]
  local parts = {
    varint_field(1, spec.code),
    field_of(2, spec.help),
    any_of(ERROR_INFO, field_of(1, reason) .. field_of(2, "internshipconnect")),
  }
  if spec.retryable then
    local seconds = math.min(127, math.max(1, tonumber(wait_s) or 1))
    parts[#parts + 1] = any_of(RETRY_INFO, field_of(1, varint_field(1, seconds)))
  end
  if request_id then
    parts[#parts + 1] = any_of(REQUEST_INFO, field_of(1, request_id))
  end
  return table.concat(parts)
end

-- What Envoy itself answers to a gRPC client; a service's errors carry their details already.
local function retell_grpc(handle, headers, request_id)
  local status = headers:get("grpc-status")
  if not status or status == "0" or headers:get("grpc-status-details-bin") then
    return
  end
  local message = headers:get("grpc-message") or ""
  local reason = refusal_of(headers, message) or size_refusal_of(message)
    or REASON_OF_GRPC_STATUS[status] or "INTERNAL"
  headers:remove("x-envoy-ratelimited")
  local bytes = status_bytes(reason, request_id, headers:get("retry-after"))
  headers:replace("grpc-status", tostring(REASONS[reason].code))
  headers:replace("grpc-message", (REASONS[reason].help:gsub("%%", "%%%%25")))
  headers:replace("grpc-status-details-bin", (handle:base64Escape(bytes)))
end

-- The answer to HEAD is that to GET, without its body.
local function behead(handle)
  local length = handle:headers():get("content-length")
  handle:body(true):setBytes("")
  local headers = handle:headers()
  headers:remove("content-length")
  if length and headers:get(":status") ~= "304" then
    headers:add("content-length", length)
  end
end

local function answer(handle, seen)
  local headers = handle:headers()
  local status = headers:get(":status")
  local seconds = status == "200" and handle:metadata():get("shared_cache_s")
  if seconds then
    return mark_public(handle, headers, seconds)
  end
  if status == "200" and seen.wanted then
    return answer_unchanged(handle, headers, seen.wanted)
  end
  local probe = PROBES[(seen.path or ""):match("^[^?]*")]
  if probe and probe[status] then
    return answer_json(handle, probe[status])
  end
  local content_type = headers:get("content-type") or ""
  local request_id = seen.request_id
  if content_type == "application/grpc" then
    return retell_grpc(handle, headers, request_id)
  end
  if status < "400" then
    return
  end
  local is_json = content_type:find("application/json", 1, true) == 1
  if not is_json and content_type ~= "" and content_type:find("text/plain", 1, true) ~= 1 then
    return
  end
  if headers:get("content-encoding") then
    -- Long enough to be compressed: a service's.
    return
  end
  retell(handle, status, is_json, request_id)
  headers = handle:headers()
  if RETRYABLE[headers:get(":status")] and not headers:get("retry-after") then
    tell_when_to_retry(handle)
  end
end

function envoy_on_response(handle)
  local seen = handle:streamInfo():dynamicMetadata():get(GATEWAY) or {}
  mark_older(handle, seen.path)
  answer(handle, seen)
  if seen.is_head then
    behead(handle)
  end
end
