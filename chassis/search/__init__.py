"""Words, names and places as every search reads them: pure, no I/O but the gazetteer's files."""
