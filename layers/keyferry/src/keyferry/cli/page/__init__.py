"""`keyferry status --output html`: one file that shows the state of all targets, and asks nobody for anything."""
