"""The mapping language as models, and the compiled catalogue."""
