"""The reference of mapping files, and the examples in it and in their JSON Schema."""
