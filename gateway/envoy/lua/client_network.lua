-- What one client is: an IPv4 address, or an IPv6 /64, since one subscriber has all addresses of it.
-- This is the one place of that rule; the limiter and the services go by what it says.
--
-- client_networks(address) returns the client and, for IPv6, the /56 and the /48 around it, which have larger
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

local function begins_with(groups, ...)
  for i = 1, select("#", ...) do
    if groups[i] ~= select(i, ...) then
      return false
    end
  end
  return true
end

-- The IPv4 address that an IPv6 one stands for, if it does.
local function embedded_ipv4(groups)
  local is_mapped = begins_with(groups, 0, 0, 0, 0, 0, 0xffff)
  local is_translated = begins_with(groups, 0, 0, 0, 0, 0xffff, 0)
  local is_nat64 = begins_with(groups, 0x64, 0xff9b, 0, 0, 0, 0)
  if is_mapped or is_translated or is_nat64 then
    return dotted(groups[7], groups[8])
  elseif begins_with(groups, 0x2002) then
    return dotted(groups[2], groups[3]) -- 6to4
  elseif begins_with(groups, 0x2001, 0) then
    return dotted(0xffff - groups[7], 0xffff - groups[8]) -- Teredo
  end
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
  local one, two, three, four = unpack(groups)
  return {
    string.format("%x:%x:%x:%x::/64", one, two, three, four),
    string.format("%x:%x:%x:%x::/56", one, two, three, four - four % 256),
    string.format("%x:%x:%x::/48", one, two, three),
  }
end
