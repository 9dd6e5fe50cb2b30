"""Generated résumés with their known truth, and how well the rules read them."""
