"""Formats of text: JSON, YAML, JMESPath, regular expressions, globs, encodings, and the types of fields."""
