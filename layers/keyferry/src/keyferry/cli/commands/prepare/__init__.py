"""Commands for a repository of mappings: what is written, checked, converted and built."""
