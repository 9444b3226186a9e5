"""Commands that look at a stack and its clusters, and change nothing."""
