-- What a request may say: which paths and methods there are, which parameters a call takes in its query, and
-- which fields in its body. All of it is known from the contracts: TYPES and BINDINGS are put before this text.
-- The transcoder behind it takes any field from anywhere, and passes over what it does not know.

local MASK_SOURCE = "x-ic-mask-from"
local VERBS = {}

-- Paths as a tree of their segments; a verb after a colon is a segment of its own.
local function tree_of(bindings)
  local root = { exact = {} }
  for i = 1, #bindings do
    local binding, node = bindings[i], root
    for segment in binding.path:gmatch("[^/]+") do
      if sub(segment, 1, 1) == ":" then
        VERBS[segment] = true
      end
      local slot, key = node.exact, segment
      if segment == "*" then
        slot, key = node, "any"
      end
      slot[key] = slot[key] or { exact = {} }
      node = slot[key]
    end
    node.methods = node.methods or {}
    node.methods[binding.method] = binding
  end
  return root
end

local TREE = tree_of(BINDINGS)

local function segments_of(path)
  local segments, count = {}, 0
  for segment in path:gmatch("/([^/]*)") do
    count = count + 1
    segments[count] = segment
  end
  local name, verb = (segments[count] or ""):match("^([^:]+)(:.+)$")
  if verb and VERBS[verb] then
    segments[count], segments[count + 1] = name, verb
  end
  return segments
end

local function node_at(node, segments, at, values)
  local segment = segments[at]
  if not segment then
    return node.methods and node
  end
  local found = node.exact[segment] and node_at(node.exact[segment], segments, at + 1, values)
  if not found and node.any and segment ~= "" and sub(segment, 1, 1) ~= ":" then
    found = node_at(node.any, segments, at + 1, values)
    if found then
      table.insert(values, 1, segment)
    end
  end
  return found
end

local function allowed_methods(node)
  local names = {}
  for method, binding in pairs(node.methods) do
    names[#names + 1] = method
    if method == "GET" and not binding.streams then
      names[#names + 1] = "HEAD"
    end
  end
  table.sort(names)
  return table.concat(names, ", ")
end

local function decoded(text)
  return (text:gsub("%%(%x%x)", function(digits)
    return string.char(tonumber(digits, 16))
  end))
end

-- The field of a request that a dotted name stands for, in the contract's spelling; nil for what no query can hold.
local function parameter(type, name)
  local steps, fields, field = {}, TYPES[type], nil
  for step in (name .. "."):gmatch("([^.]*)%.") do
    field = fields and fields[step]
    if not field or (field.kind ~= ONE and field.type ~= SCALAR) then
      return nil
    end
    steps[#steps + 1] = field.name
    fields = TYPES[field.type]
  end
  if fields then
    return nil
  end
  return table.concat(steps, "."), field
end

local function is_within(path, parent)
  return path == parent or sub(path, 1, #parent + 1) == parent .. "."
end

local function refusal(reason, field, description)
  return { reason = reason, violations = { { field = shown(field), description = description } } }
end

local function takes_in_query(binding)
  return function(field)
    local is_parameter = field.type == SCALAR and binding.body ~= "*" and field.name ~= binding.body
    return is_parameter and not binding.is_variable[field.name]
  end
end

local function misplaced(binding, name)
  local in_body = binding.body ~= "" and binding.body ~= "*" and parameter(binding.body_type, name)
  if in_body then
    return refusal("INVALID_FIELD", name, "belongs in the body: send it there, not in the query")
  end
  return refusal("UNKNOWN_PARAMETER", name,
    "there is no such parameter; " .. advice(TYPES[binding.type], name, takes_in_query(binding)))
end

-- What is wrong with one parameter, if anything is: each field has one source.
local function parameter_refusal(binding, name, seen)
  local path, field = parameter(binding.type, name)
  if not path then
    return misplaced(binding, name)
  end
  for i = 1, #binding.variables do
    if is_within(path, binding.variables[i]) or is_within(binding.variables[i], path) then
      return refusal("INVALID_FIELD", name, "is in the path already: leave it out of the query")
    end
  end
  if binding.body == "*" or (binding.body ~= "" and is_within(path, binding.body)) then
    return refusal("INVALID_FIELD", name, "belongs in the body: send it there, not in the query")
  end
  if seen[path] and field.kind == ONE then
    return refusal("INVALID_FIELD", name, "is given twice: send it once, in one spelling")
  end
  seen[path] = true
end

-- Whether the mask is given; without the empty one, which is none. Second result: the path to go on with.
local function read_query(binding, path, query)
  local seen, kept, dropped = {}, {}, false
  for part in query:gmatch("[^&]+") do
    local name, value = part:match("^([^=]*)=?(.*)$")
    name = decoded(name)
    local refused = name ~= "" and parameter_refusal(binding, name, seen)
    if refused then
      return refused
    end
    if binding.mask and value == "" and parameter(binding.type, name) == binding.mask then
      dropped, seen[binding.mask] = true, nil
    else
      kept[#kept + 1] = part
    end
  end
  local rest = table.concat(kept, "&")
  local whole = dropped and path .. (rest ~= "" and "?" .. rest or "")
  return nil, binding.mask and seen[binding.mask] or false, whole
end

-- Values of the path's variables by their place in the body.
local function variables_in_body(binding, values)
  local found = {}
  for i = 1, #binding.variables do
    local name = binding.variables[i]
    if binding.body == "*" then
      found[name] = decoded(values[i])
    elseif binding.body ~= "" and is_within(name, binding.body) then
      found[sub(name, #binding.body + 2)] = decoded(values[i])
    end
  end
  return found
end

local function body_refusal(body)
  if body.is_too_large then
    return { reason = "PAYLOAD_TOO_LARGE", message = "The body holds more than " .. MAX_VALUES .. " values; send less." }
  elseif body.trouble then
    return { reason = "MALFORMED_REQUEST", message = REASONS.MALFORMED_REQUEST.help .. " " .. body.trouble }
  elseif #body.violations > 0 then
    return { reason = "INVALID_FIELD", violations = body.violations }
  end
end

-- With the mask that the body amounts to, and a word to the service that it was not the client who wrote it: what is
-- read-only may then be sent back.
local function with_mask(handle, binding, path, held)
  handle:headers():replace(MASK_SOURCE, "body")
  if #held == 0 then
    return path
  end
  return path .. (path:find("?", 1, true) and "&" or "?") .. binding.mask .. "=" .. table.concat(held, ",")
end

local function held_by(body)
  return body and body.held or {}
end

local function text_of(handle)
  local bytes = handle:body()
  return bytes and bytes:length() > 0 and tostring(bytes:getBytes(0, bytes:length())) or nil
end

-- Reads the body of a call that takes one; without any it holds nothing.
local function read_body_of(handle, binding, values)
  local text = binding.body ~= "" and text_of(handle)
  return text and read_body(text, binding.body_type, variables_in_body(binding, values))
end

-- What is wrong with a request, if anything is. A right one goes on in the words that the transcoder reads rightly.
local function check_call(handle, binding, values, path, query)
  local refused, is_masked, whole
  if query then
    refused, is_masked, whole = read_query(binding, path, query)
  end
  if refused then
    return refused
  end
  local body = read_body_of(handle, binding, values)
  refused = body and body_refusal(body)
  if refused then
    return refused
  end
  if binding.mask and not is_masked then
    whole = with_mask(handle, binding, whole or handle:headers():get(":path"), held_by(body))
  elseif binding.mask then
    handle:headers():remove(MASK_SOURCE)
  end
  if whole then
    handle:headers():replace(":path", whole)
  end
end

-- Nil when a request may go on. `is_head` says that it asks for the head of a GET's answer.
local function request_refusal(handle, method, whole, is_head)
  local path, query = whole:match("^([^?]*)%??(.*)$")
  local values = {}
  local node = node_at(TREE, segments_of(path), 1, values)
  if not node then
    return { reason = "UNKNOWN_PATH" }
  end
  local binding = node.methods[method]
  if not binding or (is_head and binding.streams) then
    local allow = allowed_methods(node)
    return { reason = "UNKNOWN_PATH", allow = allow, message = "This path takes " .. allow .. "." }
  end
  return check_call(handle, binding, values, path, query ~= "" and query)
end
