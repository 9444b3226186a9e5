"""Which versions a secret or parameter had, and when each reached which Secret: by the lines `audit` of the log."""
