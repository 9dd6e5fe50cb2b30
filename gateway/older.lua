-- The older paths of the calls say that they are such, and until when they stay. OLDER (their first segments,
-- and the two values) is put before this text when the configuration is made.

local function mark_older(handle, path)
  local segment = path and path:match("^/([^/?]+)")
  if segment and OLDER.segments[segment] and path:sub(1, 8) ~= "/api/v1/" then
    local headers = handle:headers()
    headers:replace("deprecation", OLDER.deprecation)
    headers:replace("sunset", OLDER.sunset)
  end
end

