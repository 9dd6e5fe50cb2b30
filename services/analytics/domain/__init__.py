"""What figures are, and how events change them."""
