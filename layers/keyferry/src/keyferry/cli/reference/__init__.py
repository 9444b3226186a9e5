"""The reference and the schema of mapping files."""
