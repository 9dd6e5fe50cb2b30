-- How a body is to be read. GRPC_CONTENT_TYPE and GRPC_WEB_CONTENT_TYPES are put before this text.

-- Whether Envoy takes a request for gRPC or gRPC-Web: by the whole value, as it does. It transcodes all others.
local function is_grpc_content_type(content_type)
  return content_type == GRPC_CONTENT_TYPE
    or content_type:sub(1, #GRPC_CONTENT_TYPE + 1) == GRPC_CONTENT_TYPE .. "+"
    or GRPC_WEB_CONTENT_TYPES[content_type] == true
end

local JSON_MEDIA_TYPES = { ["application/json"] = true, ["application/merge-patch+json"] = true }

-- Whether a body may be read as JSON: without a type, or with one of JSON, whatever its case and parameters.
local function is_json_content_type(content_type)
  local media_type = content_type:match("^[^;]*"):match("^%s*(.-)%s*$"):lower()
  return content_type == "" or JSON_MEDIA_TYPES[media_type] == true
end
