-- Checks JSON bodies in one pass: syntax, the fields that are present, and whether the contract has them. TYPES is
-- put before this text. The transcoder behind it ignores unknown fields, accepts some invalid JSON and `yes` for true,
-- and does not distinguish an empty field from an absent one.

local find, byte, sub = string.find, string.byte, string.sub

local ANY_JSON, SCALAR = -1, 0
local ONE, LIST, MAP = 0, 1, 2
local MAX_DEPTH = 64
-- The contracts' own bounds allow a few thousand.
local MAX_VALUES = 20000
local MAX_VIOLATIONS = 10
local MAX_NAME_CHARS = 80
local MAX_MISSPELT_LETTERS = 2

-- Both spellings of a field lead to the same row.
local function fields_by_name(rows)
  local fields = {}
  for i = 1, #rows do
    local field = { name = rows[i][1], type = rows[i][3], kind = rows[i][4], is_boolean = rows[i][5] }
    fields[rows[i][1]] = field
    fields[rows[i][2]] = field
  end
  return fields
end

for i = 1, #TYPES do
  TYPES[i] = fields_by_name(TYPES[i])
end

-- How many letters two names differ by; at most `limit` is of interest.
local function distance(one, other, limit)
  if math.abs(#one - #other) > limit then
    return limit + 1
  end
  local before = {}
  for j = 0, #other do
    before[j] = j
  end
  for i = 1, #one do
    local row = { [0] = i }
    for j = 1, #other do
      local cost = byte(one, i) == byte(other, j) and 0 or 1
      row[j] = math.min(before[j] + 1, row[j - 1] + 1, before[j - 1] + cost)
    end
    before = row
  end
  return before[#other]
end

-- Suggests the closest name, or lists all names.
local function suggestion(fields, name, is_accepted)
  -- A short name may differ in fewer letters.
  local limit = math.min(MAX_MISSPELT_LETTERS, math.floor(#name / 3))
  local names, best, min_distance = {}, nil, limit + 1
  for known, field in pairs(fields or {}) do
    if known == field.name and is_accepted(field) then
      names[#names + 1] = known
      local differs = #name <= MAX_NAME_CHARS and distance(name:lower(), known:lower(), limit)
      if differs and (differs < min_distance or (best and differs == min_distance and known < best)) then
        best, min_distance = known, differs
      end
    end
  end
  if best then
    return "did you mean `" .. best .. "`?"
  elseif #names == 0 then
    return "it takes none"
  end
  table.sort(names)
  return "allowed: " .. table.concat(names, ", ")
end

local function truncated(name)
  return #name <= MAX_NAME_CHARS and name or sub(name, 1, MAX_NAME_CHARS) .. "..."
end

-- What a client sent, as an answer may repeat it.
local function printable(text)
  return (truncated(text):gsub("[^\32-\126]", "?"))
end

-- The position of the quote that ends the string whose first quote is at `at`.
local function string_end(text, at)
  local from = at + 1
  while true do
    local quote = find(text, '"', from, true)
    if not quote then
      return nil
    end
    local back = quote - 1
    while byte(text, back) == 92 do
      back = back - 1
    end
    if (quote - back) % 2 == 1 then
      return quote
    end
    from = quote + 1
  end
end

local function after_space(text, at)
  local next = byte(text, at)
  if next and next > 32 then
    return at
  end
  return find(text, "[^ \n\r\t]", at) or #text + 1
end

local function unescaped(name)
  if not find(name, "\\", 1, true) then
    return name
  end
  return (name:gsub("\\u00(%x%x)", function(digits)
    local code = tonumber(digits, 16)
    return code < 128 and string.char(code) or nil
  end):gsub("\\([\"\\/])", "%1"))
end

-- What is wrong with the text of a boolean, if anything is. The transcoder takes `yes`, `n`, `1` and the like.
local function boolean_problem(text, shown)
  local lower = text:lower()
  if lower ~= "true" and lower ~= "false" then
    return "must be true or false, not " .. truncated(shown)
  end
end

local Body = {}
Body.__index = Body

function Body:path_text(name)
  local parts = {}
  for i = 1, self.depth do
    local step = self.steps[i]
    parts[#parts + 1] = type(step) == "number" and "[" .. step .. "]" or (#parts > 0 and "." or "") .. step
  end
  if name then
    parts[#parts + 1] = (#parts > 0 and "." or "") .. truncated(name)
  end
  return table.concat(parts)
end

function Body:add_violation(path, description)
  self.violations[#self.violations + 1] = { field = path, description = description }
end

-- Ends the reading: nothing after `at` can be understood.
function Body:syntax_error(at, what)
  self.syntax_error_text = string.format("At character %d: %s.", math.min(at, #self.text + 1), what)
  return nil
end

function Body:push(step, name)
  self.depth = self.depth + 1
  self.steps[self.depth] = step
  self.names[self.depth] = name
end

function Body:pop()
  self.depth = self.depth - 1
end

function Body:field_path(name)
  return table.concat(self.names, ".", 1, self.depth) .. (self.depth > 0 and "." or "") .. name
end

-- A field that is also a path variable has to have the same value.
function Body:check_variable(field, name, at)
  local value = self.variables[self:field_path(field.name)]
  local stop = value and byte(self.text, at) == 34 and string_end(self.text, at)
  if value and not (stop and unescaped(sub(self.text, at + 1, stop - 1)) == value) then
    self:add_violation(self:path_text(name), "is another one in the path: leave it out of the body, or send the same")
  end
end

function Body:check_boolean(name, at)
  local text = self.text
  local stop = byte(text, at) == 34 and string_end(text, at)
  local token = stop and sub(text, at, stop) or text:match("^[%w+.-]+", at)
  local problem = token and token ~= "null" and boolean_problem(stop and unescaped(sub(token, 2, -2)) or token, token)
  if problem then
    self:add_violation(self:path_text(name), problem)
  end
end

-- Which fields the body holds, each at its own depth; a list or map is one field.
function Body:record_field(field, at)
  local opens = byte(self.text, at) == 123
  if not (opens and field.kind == ONE and field.type > 0) then
    self.present_fields[#self.present_fields + 1] = self:field_path(field.name)
  end
end

function Body:field_of(fields, name, seen)
  local field = fields[name]
  if not field then
    self:add_violation(self:path_text(name), "there is no such field; " .. suggestion(fields, name, function()
      return true
    end))
  elseif seen[field.name] then
    self:add_violation(self:path_text(name), "is given twice: send it once, in one spelling")
  end
  seen[field and field.name or name] = true
  return field
end

function Body:member(fields, name, seen, at)
  if not fields then
    if seen[name] then
      self:add_violation(self:path_text(name), "is given twice: send it once")
    end
    seen[name] = true
    return self:value(at, ANY_JSON, ONE)
  end
  local field = self:field_of(fields, name, seen)
  if not field then
    return self:value(at, ANY_JSON, ONE)
  end
  if self.lists == 0 then
    self:check_variable(field, name, at)
    self:record_field(field, at)
  end
  if field.is_boolean then
    self:check_boolean(name, at)
  end
  self:push(name, field.name)
  local next = self:value(at, field.type, field.kind)
  self:pop()
  return next
end

-- Members of an object: those of a message, or (without `fields`) any names, whose values are of type `of`.
function Body:object(at, fields, of)
  local text, seen = self.text, {}
  at = after_space(text, at + 1)
  if byte(text, at) == 125 then
    return at + 1
  end
  while true do
    local stop = byte(text, at) == 34 and string_end(text, at)
    if not stop then
      return self:syntax_error(at, "a field's name in double quotes is wanted")
    end
    local name = unescaped(sub(text, at + 1, stop - 1))
    at = after_space(text, stop + 1)
    if byte(text, at) ~= 58 then
      return self:syntax_error(at, "`:` is wanted after a field's name")
    end
    at = after_space(text, at + 1)
    if of then
      at = self:entry(name, seen, at, of)
    else
      at = self:member(fields, name, seen, at)
    end
    if not at then
      return nil
    end
    at = after_space(text, at)
    local next = byte(text, at)
    if next == 125 then
      return at + 1
    elseif next ~= 44 then
      return self:syntax_error(at, "`,` or `}` is wanted")
    end
    at = after_space(text, at + 1)
  end
end

function Body:entry(name, seen, at, of)
  if seen[name] then
    self:add_violation(self:path_text(name), "is given twice: send it once")
  end
  seen[name] = true
  self:push(name, name)
  self.lists = self.lists + 1
  local next = self:value(at, of, ONE)
  self.lists = self.lists - 1
  self:pop()
  return next
end

function Body:list(at, of)
  local text, index = self.text, 0
  self.lists = self.lists + 1
  at = after_space(text, at + 1)
  if byte(text, at) == 93 then
    self.lists = self.lists - 1
    return at + 1
  end
  while true do
    self:push(index, "")
    if of ~= ANY_JSON and find(text, "^null", at) then
      self:add_violation(self:path_text(), "must not be null: leave it out of the list")
    end
    at = self:value(at, of, ONE)
    self:pop()
    if not at then
      return nil
    end
    at = after_space(text, at)
    local next = byte(text, at)
    if next == 93 then
      self.lists = self.lists - 1
      return at + 1
    elseif next ~= 44 then
      return self:syntax_error(at, "`,` or `]` is wanted")
    end
    index, at = index + 1, after_space(text, at + 1)
  end
end

function Body:nested(at, first, of, kind)
  if self.open >= MAX_DEPTH then
    return self:syntax_error(at, "this is nested too deeply")
  end
  self.open = self.open + 1
  if of ~= ANY_JSON and first == 91 and kind ~= LIST then
    self:add_violation(self:path_text(), kind == MAP and "must be an object, not a list" or "must be one value, not a list")
    of = ANY_JSON
  elseif first == 123 and kind == LIST then
    self:add_violation(self:path_text(), "a list is wanted: put it in [ ]")
    of = ANY_JSON
  elseif first == 123 and of == SCALAR and kind ~= MAP then
    self:add_violation(self:path_text(), "must be one value, not an object")
    of = ANY_JSON
  end
  local next
  if first == 91 then
    next = self:list(at, of)
  elseif kind == MAP and of ~= ANY_JSON then
    next = self:object(at, nil, of)
  else
    next = self:object(at, TYPES[of])
  end
  self.open = self.open - 1
  return next
end

local LITERALS = { ["true"] = true, ["false"] = true, ["null"] = true }

-- The position after the value at `at`; nil for invalid JSON, or when there are too many violations.
function Body:value(at, of, kind)
  self.values = self.values + 1
  if self.values > MAX_VALUES then
    self.is_too_large = true
    return nil
  elseif #self.violations >= MAX_VIOLATIONS then
    return nil
  end
  local text = self.text
  local first = byte(text, at)
  if first == 34 then
    local stop = string_end(text, at)
    if kind == LIST then
      self:add_violation(self:path_text(), "a list is wanted: put it in [ ]")
    end
    return stop and stop + 1 or self:syntax_error(at, "this text has no end")
  elseif first == 123 or first == 91 then
    return self:nested(at, first, of, kind)
  end
  local _, stop = find(text, "^[%w+.-]+", at)
  local token = stop and stop - at < 400 and sub(text, at, stop)
  if kind == LIST and token ~= "null" then
    self:add_violation(self:path_text(), "a list is wanted: put it in [ ]")
  end
  if token and (LITERALS[token] or find(token, "^%-?%d+%.?%d*[eE]?[+-]?%d*$")) then
    return stop + 1
  end
  return self:syntax_error(at, "a value is wanted: text in double quotes, a number, true, false, null, a list or an object")
end

-- Parses a JSON body: `present_fields` are its fields by path, `violations` their errors; `syntax_error_text` is set
-- when it is not JSON.
local function read_body(text, type, variables)
  local body = setmetatable({
    text = text, steps = {}, names = {}, depth = 0, lists = 0, open = 0, values = 0,
    present_fields = {}, violations = {}, variables = variables,
  }, Body)
  local at = after_space(text, 1)
  if byte(text, at) ~= 123 then
    body:syntax_error(at, "the body has to be one JSON object")
    return body
  end
  at = body:object(at, TYPES[type])
  if at and after_space(text, at) <= #text then
    body:syntax_error(at, "something follows the JSON object")
  end
  return body
end

