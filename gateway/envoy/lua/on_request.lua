-- Runs for every request except cached reads: bounds and normalizes its headers, and rejects what no contract
-- accepts. MAX_HEADER_BYTES, API_KEY_PREFIX and the other scripts are put before this text.

local HTTP_STATUS_OF = { UNKNOWN_PATH = "404", PAYLOAD_TOO_LARGE = "413", INTERNAL = "500" }

-- Ends a request here. `refusal` has a reason, and violations, a message, a status or the methods of the path.
local function respond_error(handle, refusal, request_id)
  local message = refusal.message or REASONS[refusal.reason].help
  local first = refusal.violations and refusal.violations[1]
  if first then
    message = first.field .. ": " .. first.description
  end
  local headers = {
    [":status"] = refusal.allow and "405" or refusal.status or HTTP_STATUS_OF[refusal.reason] or "400",
    ["content-type"] = "application/json",
    ["allow"] = refusal.allow,
  }
  handle:respond(headers, status_json(refusal.reason, message, refusal.violations, request_id))
end

local function header_bytes(headers)
  local sum = 0
  for name, value in pairs(headers) do
    sum = sum + #name + #value
  end
  return sum
end

-- Writes `Authorization` in one form for all readers: one header, `Bearer`, one space, one token. Any other form is
-- replaced by one that the filter for tokens rejects, so that it never counts as anonymous. Returns the token.
local function normalize_authorization(headers)
  local given = headers:get("authorization")
  if not given then
    return
  end
  local scheme, token = given:match("^(%a+) +([%w._~+/-]+=*)$")
  if headers:getNumValues("authorization") > 1 or not scheme or scheme:lower() ~= "bearer" then
    scheme, token = "Bearer", "unreadable"
  end
  local normalized = "Bearer " .. token
  if normalized ~= given or scheme ~= "Bearer" then
    headers:remove("authorization")
    headers:add("authorization", normalized)
  end
  return token
end

-- Saves for the response that there is a token, and tells the filter for API keys whether it has to exchange one.
local function save_token_state(handle, token)
  local metadata = handle:streamInfo():dynamicMetadata()
  metadata:set(GATEWAY, "has_token", true)
  if token:sub(1, #API_KEY_PREFIX) == API_KEY_PREFIX then
    metadata:set(GATEWAY, "has_api_key", true)
  end
end

-- Saves what the response depends on. Returns whether the request is a HEAD, which becomes a GET here.
local function save_request_state(handle, headers)
  local metadata = handle:streamInfo():dynamicMetadata()
  local is_head = headers:get(":method") == "HEAD"
  metadata:set(GATEWAY, "path", headers:get(":path"))
  metadata:set(GATEWAY, "request_id", headers:get("x-request-id") or "")
  if is_head then
    metadata:set(GATEWAY, "is_head", true)
    headers:replace(":method", "GET")
  end
  return is_head
end

local function page_refusal(method)
  if method ~= "GET" then
    return { reason = "UNKNOWN_PATH", allow = "GET, HEAD", message = "This path takes GET, HEAD." }
  end
end

local function refusal_by_route(handle, headers, route, is_head)
  local method, path = headers:get(":method"), headers:get(":path")
  if route:get("page") or PROBES[path] then
    return page_refusal(method)
  elseif not route:get("checked_by_origin") then
    return request_refusal(handle, method, path, is_head)
  end
end

function envoy_on_request(handle)
  local headers = handle:headers()
  -- Of the route that the client's own method leads to.
  local route = handle:metadata()
  local is_head = save_request_state(handle, headers)
  if header_bytes(headers) > MAX_HEADER_BYTES then
    return handle:respond({ [":status"] = "431" }, "Payload Too Large")
  end
  local token = normalize_authorization(headers)
  if token then
    save_token_state(handle, token)
  end
  local is_grpc = is_grpc_content_type(headers:get("content-type") or "")
  if not is_grpc and headers:get("grpc-encoding") then
    -- The body is JSON, and the service would apply an encoding of gRPC's to it.
    headers:remove("grpc-encoding")
  end
  if route:get("conditional") then
    handle:streamInfo():dynamicMetadata():set(GATEWAY, "if_none_match", headers:get("if-none-match"))
    -- With it Envoy's cache would not answer at all.
    headers:remove("if-none-match")
  end
  local request_id = headers:get("x-request-id")
  local is_checked, refusal = true, nil
  if not is_grpc then
    is_checked, refusal = pcall(refusal_by_route, handle, headers, route, is_head)
  end
  if not is_checked then
    -- A request that could not be checked does not pass.
    handle:logErr(tostring(refusal))
    refusal = { reason = "INTERNAL" }
  end
  if refusal then
    respond_error(handle, refusal, request_id)
  end
end
