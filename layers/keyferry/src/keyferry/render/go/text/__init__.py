"""What Go writes: letters, words and texts, printf, and regular expressions."""
