"""The policy: which files of mappings may read and write what."""
