"""Words, names and places as every search reads them; no I/O except the gazetteer's files."""
