"""Messages and the domain, one made from the other."""
