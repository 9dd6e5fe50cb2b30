"""Words, names and places as every search of the product reads them: pure, no I/O but the gazetteer's files."""
