"""The dead letters of a stack: which ones there are, what takes their place, and what is lost with them."""
