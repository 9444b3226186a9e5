"""The checks of AWS: the stack, what it is made of, and what it needs."""
