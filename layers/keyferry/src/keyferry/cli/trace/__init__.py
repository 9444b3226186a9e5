"""What `keyferry trace` decides: what is asked about, which log lines tell of it, and what they say."""
