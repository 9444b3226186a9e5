"""One delivery: what should be there, what is there, what to do next, and doing it."""
