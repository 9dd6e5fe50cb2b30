"""The API page: an OpenAPI 3.1 document made from the contracts, and its readable form."""
