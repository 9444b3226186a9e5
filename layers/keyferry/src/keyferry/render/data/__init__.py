"""Make the data of a Secret: what its keys and variables are made from, and how."""
