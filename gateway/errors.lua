-- What Envoy itself has to say (a path that it cannot resolve, JSON that it
-- cannot read, a service that does not answer) leaves as the same google.rpc
-- body as an error of a service. REASONS and BODY_FIELDS are put before this
-- text when the configuration is made, from the contracts.

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

-- `internship.apply_deadline` -> `applyDeadline`, as the client wrote it.
local function client_field(path)
  local first, rest = path:match("^([%w_]+)%.(.+)$")
  if first and BODY_FIELDS[first] then
    path = rest
  end
  return (path:gsub("_(%l)", string.upper))
end

-- The transcoder names the field in its text; nothing else carries it.
local function classify(status, text)
  local unknown = text:match('^Could not find field "([^"]+)"')
  if unknown then
    return "UNKNOWN_PARAMETER", unknown, "there is no such parameter"
  end
  local field, trouble = text:match("^([%w_%.%[%]]+): (.+)$")
  if status == "400" and field then
    trouble = trouble:gsub(" for type type%.googleapis%.com/%S+", ""):gsub(" for type TYPE_(%w+)", function(t)
      return ", want " .. t:lower()
    end)
    return "INVALID_FIELD", client_field(field), trouble
  end
  return REASON_OF_STATUS[status] or (status:sub(1, 1) == "5" and "INTERNAL" or "MALFORMED_REQUEST")
end

local function error_body(status, text, request_id)
  local reason, field, trouble = classify(status, text)
  local spec = REASONS[reason]
  local details = {
    string.format('{"@type":"%s","reason":"%s","domain":"internshipconnect","metadata":{}}', ERROR_INFO, reason),
  }
  if field then
    details[#details + 1] = string.format(
      '{"@type":"%s","fieldViolations":[{"field":%s,"description":%s}]}', BAD_REQUEST, quoted(field), quoted(trouble))
  end
  if spec.retryable then
    details[#details + 1] = string.format('{"@type":"%s","retryDelay":"1s"}', RETRY_INFO)
  end
  if request_id then
    details[#details + 1] = string.format('{"@type":"%s","requestId":%s}', REQUEST_INFO, quoted(request_id))
  end
  local message = spec.help
  if reason == "MALFORMED_REQUEST" and text ~= "" then
    message = message .. " " .. text:match("^[^\n]*")
  end
  return string.format('{"code":%d,"message":%s,"details":[%s]}', spec.code, quoted(message), table.concat(details, ","))
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

function envoy_on_request(handle)
  local headers = handle:headers()
  handle:streamInfo():dynamicMetadata():set("internshipconnect.gateway", "path", headers:get(":path"))
  handle:streamInfo():dynamicMetadata():set("internshipconnect.gateway", "request_id", headers:get("x-request-id") or "")
end

function envoy_on_response(handle)
  local headers = handle:headers()
  local status = headers:get(":status")
  local seen = handle:streamInfo():dynamicMetadata():get("internshipconnect.gateway") or {}
  local probe = PROBES[(seen.path or ""):match("^[^?]*")]
  if probe and probe[status] then
    return answer_json(handle, probe[status])
  end
  if status < "400" then
    return
  end
  local content_type = headers:get("content-type") or ""
  if content_type == "" or content_type:find("text/plain", 1, true) == 1 then
    local body = handle:body(true)
    local text = body:length() > 0 and tostring(body:getBytes(0, body:length())) or ""
    return answer_json(handle, error_body(status, text, seen.request_id))
  end
  if content_type:find("application/json", 1, true) == 1 and (status == "429" or status == "503") then
    tell_when_to_retry(handle)
  end
end
