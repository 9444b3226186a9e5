"""Texts and their forms: JSON, YAML, JMESPath, regular expressions, patterns, encodings, types of fields."""
