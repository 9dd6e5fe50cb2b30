-- What one search is: a text that grows or shrinks while it is typed, or a page that is turned. A search that goes
-- on with the caller's last counted one is not counted.

local MAX_CONTINUATIONS = 30
local MAX_TYPING_PAUSE_MS = 60 * 1000
local MAX_SEARCH_PATH_BYTES = 4096
local MAX_SEARCH_TEXT_BYTES = 400
local PAGING_PARAMETERS = {
  pageToken = true, page_token = true, pageSize = true, page_size = true, withFacets = true, with_facets = true,
}

local function decoded(text)
  return (text:gsub("+", " "):gsub("%%(%x%x)", function(hex)
    return string.char(tonumber(hex, 16))
  end))
end

-- Letters of ASCII in lower case; white space counts once.
local function normalized(text)
  return (decoded(text):lower():gsub("%s+", " "):gsub("^ ", ""):gsub(" $", "")):sub(1, MAX_SEARCH_TEXT_BYTES)
end

-- The text and all filters of a search; nothing for a path that is too long to compare.
local function search_of(path)
  if not path or #path > MAX_SEARCH_PATH_BYTES then
    return nil
  end
  local place, query = path:match("^([^?]*)%??(.*)$")
  local text, filters = "", {}
  for pair in query:gmatch("[^&]+") do
    local name, value = pair:match("^([^=]*)=?(.*)$")
    if name == "q" then
      text = normalized(value)
    elseif not PAGING_PARAMETERS[name] then
      filters[#filters + 1] = decoded(name) .. "=" .. decoded(value)
    end
  end
  table.sort(filters)
  return { text = text, filters = place .. "?" .. table.concat(filters, "&") }
end

local function begins_alike(one, other)
  local shorter = math.min(#one, #other)
  return one == other or (shorter > 0 and one:sub(1, shorter) == other:sub(1, shorter))
end

-- Whether a search goes on with a bucket's last counted one, which then goes on from here.
local function continues_search(bucket, search, now)
  local last = bucket.search
  if
    not last
    or not search
    or last.continuations_left == 0
    or now - last.at_ms > MAX_TYPING_PAUSE_MS
    or last.filters ~= search.filters
    or not begins_alike(last.text, search.text)
  then
    return false
  end
  last.text, last.at_ms, last.continuations_left = search.text, now, last.continuations_left - 1
  return true
end

local function remember_search(bucket, search, now)
  if search then
    search.at_ms, search.continuations_left = now, MAX_CONTINUATIONS
    bucket.search = search
  end
end
