-- Translates the errors of the transcoder about a request for the client. ENUMS (the names that
-- an enum's fields take) and BODY_FIELDS are put before this text when the configuration is made.

local SCALAR_DESCRIPTIONS = {
  TYPE_STRING = "text", TYPE_BOOL = "true or false", TYPE_DOUBLE = "a number", TYPE_FLOAT = "a number",
  TYPE_INT32 = "a whole number", TYPE_UINT32 = "a whole number, 0 or more", TYPE_BYTES = "base64",
}
local MESSAGE_DESCRIPTIONS = {
  ["google.protobuf.Timestamp"] = "a time with its zone such as 2027-06-01T12:00:00Z (RFC 3339)",
  ["google.protobuf.FieldMask"] = "names of fields, separated by commas",
}
local MAX_SHOWN_CHARS = 60

-- The messages of the JSON parser that help a client; others are about its own internals.
local JSON_ERROR_PREFIXES = {
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

local function expected_type(kind)
  local name = kind:match("^type%.googleapis%.com/(%S+)$")
  if not name then
    return SCALAR_DESCRIPTIONS[kind] or "a value of its type"
  end
  local names = ENUMS[name]
  return MESSAGE_DESCRIPTIONS[name] or (names and "one of " .. names) or "an object with fields of its own, in { }"
end

local function shortened(value)
  return #value <= MAX_SHOWN_CHARS and value or value:sub(1, MAX_SHOWN_CHARS) .. "..."
end

-- The field in an error of the transcoder, as the client wrote it, and its remedy; nil when it names none.
local function parse_field_error(text)
  local parent_path, field_name = text:match("^([%w_%.%[%]]*): invalid value Starting an object on a scalar field for type (%S+)")
  if parent_path then
    local tail = parent_path:match("([%w_]+)%[?%d*%]?$")
    local path = tail == field_name and parent_path or (parent_path == "" and field_name or parent_path .. "." .. field_name)
    return client_field(path), "must be one value, not an object"
  end
  parent_path = text:match("^([%w_%.%[%]]*): Proto field is not repeating")
  if parent_path then
    local field = client_field(parent_path)
    return field ~= "" and field or nil, "holds a list where one value or an object is wanted"
  end
  local field, value, kind = text:match("^([%w_%.%[%]]+): invalid value (.*) for type (%S+)")
  if not field then
    return nil
  end
  local description = "must be " .. expected_type(kind)
  if kind == "TYPE_INT32" and value:match('^"?%-?%d+"?$') then
    description = description .. " from -2147483648 to 2147483647"
  end
  if not value:find("^Field '") then
    description = description .. ", not " .. shortened(value)
  end
  return client_field(field), description
end

-- What is wrong with a body or query that names no field.
local function parse_json_error(text)
  local line = text:match("^[^\n]*"):gsub("^: ", "")
  local part = line:match('^Encountered a non%-leaf field "([^"]+)"')
  if part then
    return "`" .. client_field(part) .. "` has no fields of its own."
  elseif line:find("^Root element must be") then
    return "It has to be an object, { }."
  elseif line:find("Proto field is not repeating", 1, true) then
    return "It holds a list where one value or an object is wanted."
  end
  for i = 1, #JSON_ERROR_PREFIXES do
    if line:find(JSON_ERROR_PREFIXES[i]) then
      return "Reading it as JSON failed: " .. line
    end
  end
end

