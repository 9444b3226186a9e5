"""The AWS stores that values come from: their names, their events, and what a source of a mapping says."""
