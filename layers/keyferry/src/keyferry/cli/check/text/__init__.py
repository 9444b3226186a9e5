"""The text of a mapping file → what keeps it from being YAML, and the likely cause."""
