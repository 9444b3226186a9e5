"""The AWS stores that values come from: their names, events and permissions, and the model of a source."""
