"""The commands of `keyferry`, a file for each."""
