"""Mappings → the rights that they need and no more."""
