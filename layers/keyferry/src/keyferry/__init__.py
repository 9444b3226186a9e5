"""Keyferry carries a changed AWS secret into Kubernetes Secrets on EKS and restarts the workloads that use it."""
