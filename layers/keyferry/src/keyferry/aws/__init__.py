"""The edges to AWS, one module for each service."""
