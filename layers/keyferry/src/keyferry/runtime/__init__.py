"""Everything real, built once, and what surrounds the work of a function."""
