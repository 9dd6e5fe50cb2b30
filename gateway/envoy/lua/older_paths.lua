-- Answers at older paths carry `Deprecation` and `Sunset`. OLDER_PATHS (their first segments, and the two values) is put before this text when the configuration is made.

local function mark_older_path(handle, path)
  local segment = path and path:match("^/([^/?]+)")
  if segment and OLDER_PATHS.segments[segment] and path:sub(1, 8) ~= "/api/v1/" then
    local headers = handle:headers()
    headers:replace("deprecation", OLDER_PATHS.deprecation)
    headers:replace("sunset", OLDER_PATHS.sunset)
  end
end

