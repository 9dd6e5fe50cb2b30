"""Finding listings: words, questions, the order of answers and what they show; no I/O."""
