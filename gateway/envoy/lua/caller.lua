-- Who calls, for the limiter and the services: which client, whether signed in, and the account that a call is
-- about. ACCOUNT_FIELD (gRPC path -> number of the request's field), from the contracts, client_network.lua and the
-- scripts of quotas are put before this text. Clients cannot say any of it themselves.

local CLIENT = "x-ic-client"

local function varint(bytes, at)
  local value, factor = 0, 1
  for i = at, math.min(at + 9, #bytes) do
    local byte = bytes:byte(i)
    value = value + (byte % 128) * factor
    if byte < 128 then
      return value, i + 1
    end
    factor = factor * 128
  end
end

-- The value of a length-delimited field of a protobuf message; the last one counts, as in every parser.
local function text_field(bytes, number)
  local at, found = 1, nil
  while at <= #bytes do
    local tag, length
    tag, at = varint(bytes, at)
    if not tag then
      return found
    end
    local kind = tag % 8
    if kind == 2 then
      length, at = varint(bytes, at)
      if not length then
        return found
      end
      if math.floor(tag / 8) == number then
        found = bytes:sub(at, at + length - 1)
      end
      at = at + length
    elseif kind == 0 then
      length, at = varint(bytes, at)
      if not length then
        return found
      end
    elseif kind == 1 then
      at = at + 8
    elseif kind == 5 then
      at = at + 4
    else
      return found
    end
  end
  return found
end

-- The account as it was typed, in ASCII; the limiter knows which spellings are one account. Compressed messages
-- are not looked into: they share one name, and one limit.
local function account_of(handle, number)
  local body = handle:body()
  local bytes = body and body:length() > 5 and body:getBytes(0, body:length()) or ""
  if #bytes <= 5 then
    return nil
  end
  if bytes:byte(1) ~= 0 then
    return "compressed"
  end
  local text = text_field(bytes:sub(6), number)
  return text and text:gsub("[^%w@%.%-_]", function(byte)
    return ("%%%02X"):format(byte:byte())
  end):sub(1, 3072)
end

-- For the limiter: every call has a `client`; calls without a token have an `address` as well.
local function set_client_metadata(metadata, networks, is_anonymous)
  for i = 1, #networks do
    metadata:set(CALLER, "client" .. NETWORK_SUFFIXES[i], networks[i])
    if is_anonymous then
      metadata:set(CALLER, "address" .. NETWORK_SUFFIXES[i], networks[i])
    end
  end
end

local function set_account_metadata(handle, number)
  local account = account_of(handle, number)
  if account and account ~= "" then
    handle:streamInfo():dynamicMetadata():set(CALLER, "account", account)
  end
end

function envoy_on_request(handle)
  local headers = handle:headers()
  local path = headers:get(":path")
  local metadata = handle:streamInfo():dynamicMetadata()
  if path == QUOTA.method and headers:get(QUOTA.header) then
    metadata:set(QUOTA_METADATA, "is_report", true)
    return
  end
  local networks = client_networks(handle:streamInfo():downstreamRemoteAddress())
  headers:replace(CLIENT, table.concat(networks, " "))
  local token = metadata:get("envoy.filters.http.jwt_authn")
  local class = QUOTA_CLASS[path]
  if class then
    return enforce_quota(handle, class, token and token.claims, networks)
  end
  set_client_metadata(metadata, networks, not token)
  if ACCOUNT_FIELD[path] then
    -- Waiting for the body ends the life of what was taken from the handle before.
    set_account_metadata(handle, ACCOUNT_FIELD[path])
  end
end
