"""What is left over in clusters, and in EKS, of mappings that are gone: `keyferry orphans`."""
