"""What the running stack does in a second, beside what the bare libraries under it can do."""
