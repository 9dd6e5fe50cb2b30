"""Events: what this service tells (`outgoing`) and what it reacts to (`incoming`)."""
