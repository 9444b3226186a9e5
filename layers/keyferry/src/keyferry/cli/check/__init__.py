"""Mapping files → the catalogue, or everything that is wrong with them."""
