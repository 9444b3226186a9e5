"""Values of sources → the content of a Secret."""
