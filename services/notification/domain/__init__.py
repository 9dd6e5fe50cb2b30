"""Who is told what, and how a mail gets on its way: pure rules."""
