-- What one client is, by the rule of chassis/client_network.py, whose tables are put before this text:
-- EMBEDDED_IPV4_FORMS and CLIENT_NETWORK_BITS. The limiter and the services go by what it says.
--
-- client_networks(address) returns the client and, for IPv6, the networks around it, which have larger
-- allowances: a household, a site. An IPv6 address that stands for an IPv4 one counts as that.

local function host_of(address)
  local host = address:match("^%[(.+)%]:%d+$") or address:match("^%[(.+)%]$") or address:match("^([%d%.]+):%d+$")
    or address
  -- A zone tells which of our own interfaces it came by.
  return (host:gsub("%%.*$", ""))
end

local function append_groups(groups, text)
  for group in text:gmatch("%x+") do
    groups[#groups + 1] = tonumber(group, 16)
  end
end

-- The eight numbers of an IPv6 address; nothing for any other text.
local function groups_of(text)
  local before, a, b, c, d = text:match("^(.*:)(%d+)%.(%d+)%.(%d+)%.(%d+)$")
  if before then
    text = string.format("%s%x:%x", before, a * 256 + b, c * 256 + d)
  end
  if not text:find(":", 1, true) or text:find("[^%x:]") then
    return nil
  end
  local head, tail = text:match("^(.-)::(.*)$")
  local groups, last = {}, {}
  append_groups(groups, head or text)
  append_groups(last, tail or "")
  for _ = 1, head and 8 - #groups - #last or 0 do
    groups[#groups + 1] = 0
  end
  for i = 1, #last do
    groups[#groups + 1] = last[i]
  end
  return #groups == 8 and groups or nil
end

local function dotted(high, low)
  return string.format("%d.%d.%d.%d", math.floor(high / 256), high % 256, math.floor(low / 256), low % 256)
end

local function begins_with(groups, prefix)
  for i = 1, #prefix do
    if groups[i] ~= prefix[i] then
      return false
    end
  end
  return true
end

-- The IPv4 address that an IPv6 one stands for, if it does.
local function embedded_ipv4(groups)
  for _, form in ipairs(EMBEDDED_IPV4_FORMS) do
    if begins_with(groups, form.prefix) then
      local high, low = groups[form.position + 1], groups[form.position + 2]
      if form.is_inverted then
        high, low = 0xffff - high, 0xffff - low
      end
      return dotted(high, low)
    end
  end
end

local function network_of(groups, bits)
  local kept = {}
  for i = 1, math.ceil(bits / 16) do
    kept[i] = string.format("%x", groups[i] - groups[i] % 2 ^ math.max(0, 16 * i - bits))
  end
  return table.concat(kept, ":") .. "::/" .. bits
end

local function client_networks(address)
  local host = host_of(address)
  local groups = groups_of(host)
  if not groups then
    return { host }
  end
  local ipv4 = embedded_ipv4(groups)
  if ipv4 then
    return { ipv4 }
  end
  local networks = {}
  for i, bits in ipairs(CLIENT_NETWORK_BITS) do
    networks[i] = network_of(groups, bits)
  end
  return networks
end
