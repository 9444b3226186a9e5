"""`keyferry doctor`: what is looked at, each group of checks in a module."""
