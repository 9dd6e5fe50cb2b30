-- Who calls, for the limiter: the address of callers without a token, and the account that a sign-in is about.
-- ACCOUNT_FIELD (gRPC path -> number of the request's field) is put before this text, from the contracts.
-- Clients cannot say either themselves: both headers are overwritten or removed.

local ADDRESS, ACCOUNT = "x-ic-address", "x-ic-account"

local function host_of(address)
  return address:match("^%[(.+)%]:%d+$") or address:match("^(.+):%d+$") or address
end

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

function envoy_on_request(handle)
  local number = ACCOUNT_FIELD[handle:headers():get(":path")]
  local account = number and account_of(handle, number)
  -- Waiting for the body ends the life of what was taken from the handle before.
  local headers = handle:headers()
  headers:remove(ADDRESS)
  headers:remove(ACCOUNT)
  if not handle:streamInfo():dynamicMetadata():get("envoy.filters.http.jwt_authn") then
    headers:add(ADDRESS, host_of(handle:streamInfo():downstreamRemoteAddress()))
  end
  if account and account ~= "" then
    headers:add(ACCOUNT, account)
  end
end
