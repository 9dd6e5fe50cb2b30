-- Checks requests against the contracts: paths, methods, query parameters and fields of the body. TYPES and BINDINGS
-- are put before this text. The transcoder behind it takes any field from anywhere, and ignores unknown ones.

-- Where the script saves of a request what its response depends on.
local GATEWAY = "internshipconnect.gateway"
local MASK_SOURCE = "x-ic-mask-from"
local VERBS = {}

-- Paths as a tree of their segments; a verb after a colon is a segment of its own.
local function build_path_tree(bindings)
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

local TREE = build_path_tree(BINDINGS)

local function all_methods(bindings)
  local seen, names = {}, { "HEAD", "OPTIONS" }
  for i = 1, #bindings do
    local method = bindings[i].method
    if not seen[method] then
      seen[method], names[#names + 1] = true, method
    end
  end
  table.sort(names)
  return table.concat(names, ", ")
end

local METHODS = all_methods(BINDINGS)

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

local function find_node(node, segments, at, values)
  local segment = segments[at]
  if not segment then
    return node.methods and node
  end
  local found = node.exact[segment] and find_node(node.exact[segment], segments, at + 1, values)
  if not found and node.any and segment ~= "" and sub(segment, 1, 1) ~= ":" then
    found = find_node(node.any, segments, at + 1, values)
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
  return { reason = reason, violations = { { field = truncated(field), description = description } } }
end

local function is_query_parameter(binding)
  return function(field)
    local is_parameter = field.type == SCALAR and binding.body ~= "*" and field.name ~= binding.body
    return is_parameter and not binding.is_variable[field.name]
  end
end

local function misplaced_parameter(binding, name)
  local in_body = binding.body ~= "" and binding.body ~= "*" and parameter(binding.body_type, name)
  if in_body then
    return refusal("INVALID_FIELD", name, "belongs in the body: send it there, not in the query")
  end
  return refusal("UNKNOWN_PARAMETER", name,
    "there is no such parameter; " .. suggestion(TYPES[binding.type], name, is_query_parameter(binding)))
end

-- What is wrong with one parameter, if anything is: each field has one source.
local function parameter_refusal(binding, name, value, seen)
  local path, field = parameter(binding.type, name)
  if not path then
    return misplaced_parameter(binding, name)
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
  local problem = field.is_boolean and value ~= "" and boolean_problem(value, value)
  return problem and refusal("INVALID_FIELD", name, problem)
end

-- Returns a refusal, whether the query has a mask, and the path without an empty mask.
local function read_query(binding, path, query)
  local seen, kept, is_mask_dropped = {}, {}, false
  for part in query:gmatch("[^&]+") do
    local name, value = part:match("^([^=]*)=?(.*)$")
    name = decoded(name)
    local refusal_found = name ~= "" and parameter_refusal(binding, name, decoded(value), seen)
    if refusal_found then
      return refusal_found
    end
    if binding.mask and value == "" and parameter(binding.type, name) == binding.mask then
      is_mask_dropped, seen[binding.mask] = true, nil
    else
      kept[#kept + 1] = part
    end
  end
  local rest = table.concat(kept, "&")
  local rewritten_path = is_mask_dropped and path .. (rest ~= "" and "?" .. rest or "")
  return nil, binding.mask and seen[binding.mask] or false, rewritten_path
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
  elseif body.syntax_error_text then
    return { reason = "MALFORMED_REQUEST", message = REASONS.MALFORMED_REQUEST.help .. " " .. body.syntax_error_text }
  elseif #body.violations > 0 then
    return { reason = "INVALID_FIELD", violations = body.violations }
  end
end

-- Adds the mask of the fields in the body, and a header that says so: the service then ignores read-only fields.
local function with_mask(handle, binding, path, present_fields)
  handle:headers():replace(MASK_SOURCE, "body")
  if #present_fields == 0 then
    return path
  end
  return path .. (path:find("?", 1, true) and "&" or "?") .. binding.mask .. "=" .. table.concat(present_fields, ",")
end

local function present_fields_of(body)
  return body and body.present_fields or {}
end

local function body_text(handle)
  local bytes = handle:body()
  return bytes and bytes:length() > 0 and tostring(bytes:getBytes(0, bytes:length())) or nil
end

-- The transcoder would take fields from it, of which nothing else knows: no log, no cache.
local NEEDLESS_BODY = { reason = "MALFORMED_REQUEST", message = "This call takes no body: leave it out." }

local function media_type_refusal(content_type)
  return {
    reason = "MALFORMED_REQUEST",
    status = "415",
    message = "The body has to be JSON: send it with `content-type: application/json`, not `"
      .. printable(content_type) .. "`.",
  }
end

-- Refuses a body that is too large by its own word, before it comes.
local function size_refusal(handle, binding)
  local length = tonumber(handle:headers():get("content-length") or "")
  if length and length > binding.max_bytes then
    return {
      reason = "PAYLOAD_TOO_LARGE",
      message = string.format("The body has %d bytes; at most %d are taken.", length, binding.max_bytes),
    }
  end
end

-- Reads the body of a call that takes one; without any it holds nothing. Returns it, and why it cannot be read.
local function read_body_of(handle, binding, values)
  if binding.is_raw then
    -- A file: nobody reads it here, and the filter that follows waits for all of it.
    return nil, size_refusal(handle, binding)
  end
  local content_type = handle:headers():get("content-type") or ""
  local text = body_text(handle)
  if not text then
    return nil
  elseif binding.body == "" then
    return nil, not text:find("^%s*{%s*}%s*$") and NEEDLESS_BODY or nil
  elseif not is_json_content_type(content_type) then
    return nil, media_type_refusal(content_type)
  end
  handle:streamInfo():dynamicMetadata():set(GATEWAY, "has_body", true)
  local body = read_body(text, binding.body_type, variables_in_body(binding, values))
  return body, body_refusal(body)
end

-- Returns the refusal of a request, or nil; a valid request is rewritten for the transcoder.
local function check_call(handle, binding, values, path, query)
  local refusal_found, is_masked, rewritten_path
  if query then
    refusal_found, is_masked, rewritten_path = read_query(binding, path, query)
  end
  if refusal_found then
    return refusal_found
  end
  local body
  body, refusal_found = read_body_of(handle, binding, values)
  if refusal_found then
    return refusal_found
  end
  if binding.mask and not is_masked then
    rewritten_path = with_mask(handle, binding, rewritten_path or handle:headers():get(":path"), present_fields_of(body))
  elseif binding.mask then
    handle:headers():remove(MASK_SOURCE)
  end
  if rewritten_path then
    handle:headers():replace(":path", rewritten_path)
  end
end

-- Nil when a request may go on. `is_head` says that it asks for the head of a GET's answer.
local function request_refusal(handle, method, full_path, is_head)
  local path, query = full_path:match("^([^?]*)%??(.*)$")
  local values = {}
  local node = find_node(TREE, segments_of(path), 1, values)
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
