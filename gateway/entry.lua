-- What happens to every request that comes in, cached reads excepted: its headers are bounded and read in one way,
-- and what no contract takes is refused. MAX_HEADER_BYTES and the other scripts are put before this text.

local HTTP_STATUS_OF = { UNKNOWN_PATH = "404", PAYLOAD_TOO_LARGE = "413", INTERNAL = "500" }

-- Ends a request here. `refused` has a reason, and violations, a message or the methods that the path takes.
local function refuse(handle, refused, request_id)
  local message = refused.message or REASONS[refused.reason].help
  local first = refused.violations and refused.violations[1]
  if first then
    message = first.field .. ": " .. first.description
  end
  local headers = {
    [":status"] = refused.allow and "405" or HTTP_STATUS_OF[refused.reason] or "400",
    ["content-type"] = "application/json",
    ["allow"] = refused.allow,
  }
  handle:respond(headers, status_json(refused.reason, message, refused.violations, request_id))
end

local function header_bytes(headers)
  local sum = 0
  for name, value in pairs(headers) do
    sum = sum + #name + #value
  end
  return sum
end

-- One way to write it, whoever reads it: exactly one header, `Bearer`, spaces, one token. What is written in any
-- other way is put in words that the filter for tokens refuses, and so nobody takes for anonymous.
local function settle_authorization(headers)
  local given = headers:get("authorization")
  if not given then
    return
  end
  local scheme, token = given:match("^(%a+) +([%w._~+/-]+=*)$")
  if headers:getNumValues("authorization") > 1 or not scheme or scheme:lower() ~= "bearer" then
    scheme, token = "Bearer", "unreadable"
  end
  local settled = "Bearer " .. token
  if settled ~= given or scheme ~= "Bearer" then
    headers:remove("authorization")
    headers:add("authorization", settled)
  end
end

-- Notes what the answer will depend on. Answers whether the request asks for a head only, which from here on is a GET.
local function remember(handle, headers)
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
  elseif not route:get("checked_elsewhere") then
    return request_refusal(handle, method, path, is_head)
  end
end

function envoy_on_request(handle)
  local headers = handle:headers()
  if header_bytes(headers) > MAX_HEADER_BYTES then
    return handle:respond({ [":status"] = "431" }, "Payload Too Large")
  end
  settle_authorization(headers)
  local is_grpc = (headers:get("content-type") or ""):find("application/grpc", 1, true) == 1
  if not is_grpc and headers:get("grpc-encoding") then
    -- The body is JSON: of an encoding of gRPC's only the service would be surprised.
    headers:remove("grpc-encoding")
  end
  local route = handle:metadata()
  local is_head = remember(handle, headers)
  if route:get("conditional") then
    handle:streamInfo():dynamicMetadata():set(GATEWAY, "wanted", headers:get("if-none-match"))
    -- With it Envoy's cache would not answer at all.
    headers:remove("if-none-match")
  end
  local request_id = headers:get("x-request-id")
  local is_checked, refused = true, nil
  if not is_grpc then
    is_checked, refused = pcall(refusal_by_route, handle, headers, route, is_head)
  end
  if not is_checked then
    -- What could not be looked at does not pass.
    handle:logErr(tostring(refused))
    refused = { reason = "INTERNAL" }
  end
  if refused then
    refuse(handle, refused, request_id)
  end
end
