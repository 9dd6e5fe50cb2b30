"""How calls wait, share, repeat and are bounded."""
