"""The rules of figures: pure, without I/O."""
