"""Files of mappings → the catalogue, or everything that is wrong with them."""
