"""The commands of `keyferry`, a file for each, in a folder for each section of its help."""
