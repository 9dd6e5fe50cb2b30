-- Envoy's own errors (an unknown path, invalid JSON, a missing token, a limit, a service that does not answer) get
-- the same google.rpc body as the errors of services. Public reads get their etag here, and 304 for
-- `If-None-Match`. REASONS, transcoder_errors.lua and requests.lua are put before this text. Answers of the cache
-- pass here only when the request was conditional: this script would double their cost.

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
local REFUSAL_STATUSES = { ["401"] = true, ["403"] = true, ["429"] = true, ["499"] = true }
-- What the listener says of its own refusals: the method, and what was wrong. It is the only word about a request
-- that Envoy refuses before the script.
local REFUSED_REQUEST = "x-ic-refused-request"
local UNREADABLE_PATH = "path_normalization_failed"
local RETRYABLE_STATUSES = { ["429"] = true, ["503"] = true }

-- Headers about the first caller, which no cached answer may carry.
local PER_CALL_HEADERS = {
  "x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset", "ratelimit", "ratelimit-policy",
  "x-fresh-for", "grpc-accept-encoding", "grpc-message", "grpc-status", "x-envoy-upstream-service-time",
}

-- For what Envoy rejects while it reads the first line and the headers, before any script sees the request.
local UNREADABLE_REQUEST = "This is not valid HTTP: the method is not one of " .. METHODS
  .. " in upper case, or the path, the version or a header is malformed."

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
    local field, problem = parse_field_error(text)
    if field then
      return "INVALID_FIELD", field, problem
    end
  end
  return REASON_OF_STATUS[status] or (status:sub(1, 1) == "5" and "INTERNAL" or "MALFORMED_REQUEST")
end

-- The reason in an error of the filters for tokens and limits; both answer as gRPC, which is transcoded to JSON.
-- Of a token of an unknown issuer Envoy says that it is missing.
local function refusal_of(headers, text, request_state)
  if headers:get("x-envoy-ratelimited") then
    return "RATE_LIMITED"
  elseif text:find("API_KEY_INVALID", 1, true) then
    return "API_KEY_INVALID"
  elseif text:find("Jwt is missing", 1, true) then
    return request_state.has_token and "TOKEN_INVALID" or "TOKEN_MISSING"
  elseif text:find("Jwt is expired", 1, true) then
    return "TOKEN_EXPIRED"
  elseif text:find("remote fetch", 1, true) then
    return "UNAVAILABLE"
  elseif text:find("Jw", 1, true) or text:find("Audiences", 1, true) then
    return "TOKEN_INVALID"
  end
end

-- The reason in an error of the buffer or of gRPC about a message that is too large.
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

-- What is wrong with a request that has no body, in words.
local function request_problem(request_state)
  if request_state.details == UNREADABLE_PATH then
    return "The path cannot be read: it may hold neither `%2F` nor `%5C`, which stand for a slash and a backslash."
  elseif request_state.path then
    return "The request cannot be read: correct its path and its query."
  end
  return UNREADABLE_REQUEST
end

local function error_body(status, text, request_state, known_reason, wait_s)
  local reason, field, problem
  if known_reason then
    reason = known_reason
  else
    reason, field, problem = classify(status, text)
  end
  local message = field and field .. ": " .. problem or REASONS[reason].help
  if reason == "MALFORMED_REQUEST" then
    message = request_state.has_body and message or request_problem(request_state)
    local json_error = parse_json_error(text)
    message = json_error and message .. " " .. json_error or message
  end
  local violations = field and { { field = field, description = problem } }
  return status_json(reason, message, violations, request_state.request_id, wait_s)
end

local function set_json_body(handle, body)
  handle:body(true):setBytes(body)
  handle:headers():replace("content-type", "application/json")
end

local function set_retry_after(handle)
  local body = handle:body()
  local text = body and tostring(body:getBytes(0, body:length())) or ""
  local seconds = text:match('"retryDelay":"(%d+)')
  if seconds then
    local at_least_one = math.max(1, tonumber(seconds))
    handle:headers():replace("retry-after", tostring(at_least_one))
  end
end

-- Two sums over the body, so that two different bodies have the same tag once in 2^60.
local function etag_of(body)
  local one, two = 5381, 52711
  for i = 1, #body do
    local byte = body:byte(i)
    one = (one * 33 + byte) % 1073741789
    two = (two * 65599 + byte) % 1073741783
  end
  return string.format('W/"%x-%x-%x"', #body, one, two)
end

-- Behind the cache: an answer that shared caches may keep is marked as public, gets its etag and loses the headers of one caller.
local function mark_public(handle, headers, seconds)
  if headers:get("x-stale") then
    return
  end
  -- The clock changes some answers: those are kept until then at most.
  local fresh_for_s = tonumber(headers:get("x-fresh-for") or "")
  local body = handle:body(true)
  local etag = etag_of(tostring(body:getBytes(0, body:length())))
  -- Waiting for the body ends the life of what was taken from the handle before.
  headers = handle:headers()
  for i = 1, #PER_CALL_HEADERS do
    headers:remove(PER_CALL_HEADERS[i])
  end
  headers:replace("etag", etag)
  if fresh_for_s and fresh_for_s < seconds then
    headers:replace("cache-control", string.format("public, max-age=%d, must-revalidate", fresh_for_s))
    return
  end
  headers:replace("cache-control", string.format(
    "public, max-age=%d, stale-while-revalidate=%d, stale-if-error=%d", seconds, seconds, 10 * seconds))
end

-- Whether a list of tags, or `*`, names a tag: by what stands in its quotes, weak or not.
local function matches_etag(if_none_match, etag)
  local value = etag:match('"[^"]*"')
  if if_none_match:match("^%s*%*%s*$") then
    return true
  end
  for each in if_none_match:gmatch('"[^"]*"') do
    if each == value then
      return true
    end
  end
  return false
end

-- Answers 304 to a client that has the current etag.
local function respond_not_modified(handle, headers, if_none_match)
  local etag = headers:get("etag")
  if etag and matches_etag(if_none_match, etag) then
    handle:body(true):setBytes("")
    headers = handle:headers()
    headers:replace(":status", "304")
    headers:remove("content-length")
    headers:remove("content-type")
  end
end

-- Rewrites an error of Envoy or gRPC as google.rpc.Status; a JSON body with a reason is a service's already.
local function rewrite_error(handle, status, is_json, request_state)
  local body = handle:body(true)
  local headers = handle:headers()
  local text = body:length() > 0 and tostring(body:getBytes(0, body:length())) or ""
  if is_json and text:find('"reason"', 1, true) then
    return
  end
  local known_reason = REFUSAL_STATUSES[status] and refusal_of(headers, text, request_state)
  headers:remove("x-envoy-ratelimited")
  if known_reason == "UNAVAILABLE" then
    status = "503"
  elseif status == "499" then
    -- gRPC itself cancels a call for which a service has no capacity.
    known_reason, status = "OVERLOADED", "429"
  end
  headers:replace(":status", status)
  local wait_s = (headers:get("retry-after") or ""):match("^%d+$")
  set_json_body(handle, error_body(status, is_json and "" or text, request_state, known_reason, wait_s))
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
local function rewrite_grpc_error(handle, headers, request_state)
  local status = headers:get("grpc-status")
  if not status or status == "0" or headers:get("grpc-status-details-bin") then
    return
  end
  local message = headers:get("grpc-message") or ""
  local reason = refusal_of(headers, message, request_state) or size_refusal_of(message)
    or REASON_OF_GRPC_STATUS[status] or "INTERNAL"
  headers:remove("x-envoy-ratelimited")
  local bytes = status_bytes(reason, request_state.request_id, headers:get("retry-after"))
  headers:replace("grpc-status", tostring(REASONS[reason].code))
  headers:replace("grpc-message", (REASONS[reason].help:gsub("%%", "%%%%25")))
  headers:replace("grpc-status-details-bin", (handle:base64Escape(bytes)))
end

-- The answer to HEAD is that to GET, without its body.
local function strip_body_for_head(handle)
  local length = handle:headers():get("content-length")
  handle:body(true):setBytes("")
  local headers = handle:headers()
  headers:remove("content-length")
  if length and headers:get(":status") ~= "304" then
    headers:add("content-length", length)
  end
end

local function handle_response(handle, request_state)
  local headers = handle:headers()
  local status = headers:get(":status")
  local seconds = status == "200" and handle:metadata():get("shared_cache_s")
  if seconds then
    return mark_public(handle, headers, seconds)
  end
  if status == "200" and request_state.if_none_match then
    return respond_not_modified(handle, headers, request_state.if_none_match)
  end
  local probe = PROBES[(request_state.path or ""):match("^[^?]*")]
  if probe and probe[status] then
    return set_json_body(handle, probe[status])
  end
  local content_type = headers:get("content-type") or ""
  if content_type == "application/grpc" then
    return rewrite_grpc_error(handle, headers, request_state)
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
  rewrite_error(handle, status, is_json, request_state)
  headers = handle:headers()
  if RETRYABLE_STATUSES[headers:get(":status")] and not headers:get("retry-after") then
    set_retry_after(handle)
  end
end

-- What the script saved of the request; of one that never came to it, what the listener says.
local function request_state_of(handle)
  local saved = handle:streamInfo():dynamicMetadata():get(GATEWAY)
  if saved then
    return saved
  end
  local refused = handle:headers():get(REFUSED_REQUEST) or ""
  local method, details = refused:match("^(%S+) (%S+)$")
  return { is_head = method == "HEAD", details = details }
end

function envoy_on_response(handle)
  local request_state = request_state_of(handle)
  mark_older_path(handle, request_state.path)
  handle_response(handle, request_state)
  if request_state.is_head then
    strip_body_for_head(handle)
  end
end
