"""Move the label AWSCURRENT of a secret back to an earlier version, after saying who reads it."""
