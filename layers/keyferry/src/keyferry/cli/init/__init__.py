"""What `keyferry init` writes: a user's own repository, with mappings, settings, pinned versions and workflows."""
