-- What the transcoder says of a request that it cannot read, in words for the client. ENUMS (the names that
-- an enum's fields take) and BODY_FIELDS are put before this text when the configuration is made.

local SCALARS = {
  TYPE_STRING = "text", TYPE_BOOL = "true or false", TYPE_DOUBLE = "a number", TYPE_FLOAT = "a number",
  TYPE_INT32 = "a whole number", TYPE_UINT32 = "a whole number, 0 or more", TYPE_BYTES = "base64",
}
local MESSAGES = {
  ["google.protobuf.Timestamp"] = "a time with its zone such as 2027-06-01T12:00:00Z (RFC 3339)",
  ["google.protobuf.FieldMask"] = "names of fields, separated by commas",
}
local LONGEST_SHOWN = 60

-- Of what the JSON parser says, that which is about JSON; the rest is about its own insides.
local ABOUT_JSON = {
  "^Unexpected ", "^Expected ", "^Missing ", "^Illegal ", "^Invalid ", "^Number ", "^Unterminated ", "^Parsing ",
}

-- `internship.apply_deadline` -> `applyDeadline`, as the client wrote it.
local function client_field(path)
  local first, rest = path:match("^([%w_]+)%.?(.*)$")
  if first and BODY_FIELDS[first] then
    path = rest
  end
  return (path:gsub("_(%l)", string.upper))
end

local function wanted(kind)
  local name = kind:match("^type%.googleapis%.com/(%S+)$")
  if not name then
    return SCALARS[kind] or "a value of its type"
  end
  local names = ENUMS[name]
  return MESSAGES[name] or (names and "one of " .. names) or "an object with fields of its own, in { }"
end

local function shown(value)
  return #value <= LONGEST_SHOWN and value or value:sub(1, LONGEST_SHOWN) .. "..."
end

-- The field that the transcoder complains of, as the client wrote it, and what it wants; nil when it names none.
local function complaint(text)
  local place, leaf = text:match("^([%w_%.%[%]]*): invalid value Starting an object on a scalar field for type (%S+)")
  if place then
    local tail = place:match("([%w_]+)%[?%d*%]?$")
    local path = tail == leaf and place or (place == "" and leaf or place .. "." .. leaf)
    return client_field(path), "must be one value, not an object"
  end
  place = text:match("^([%w_%.%[%]]*): Proto field is not repeating")
  if place then
    local field = client_field(place)
    return field ~= "" and field or nil, "holds a list where one value or an object is wanted"
  end
  local field, value, kind = text:match("^([%w_%.%[%]]+): invalid value (.*) for type (%S+)")
  if not field then
    return nil
  end
  local words = "must be " .. wanted(kind)
  if kind == "TYPE_INT32" and value:match('^"?%-?%d+"?$') then
    words = words .. " from -2147483648 to 2147483647"
  end
  if not value:find("^Field '") then
    words = words .. ", not " .. shown(value)
  end
  return client_field(field), words
end

-- What is wrong with a body or query that names no field.
local function malformed(text)
  local line = text:match("^[^\n]*"):gsub("^: ", "")
  local part = line:match('^Encountered a non%-leaf field "([^"]+)"')
  if part then
    return "`" .. client_field(part) .. "` has no fields of its own."
  elseif line:find("^Root element must be") then
    return "It has to be an object, { }."
  elseif line:find("Proto field is not repeating", 1, true) then
    return "It holds a list where one value or an object is wanted."
  end
  for i = 1, #ABOUT_JSON do
    if line:find(ABOUT_JSON[i]) then
      return "Reading it as JSON failed: " .. line
    end
  end
end

