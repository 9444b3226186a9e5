"""The mapping language as pydantic models, and the catalogue of all mappings and clusters of a deployment."""
