"""Generate the rights that the mappings need, and no more: IAM policies, EKS access entries, RBAC, admission policy."""
