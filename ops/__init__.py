"""The operator's room: the command `ic`, the local stack, seed data and the tools around them."""
