"""Keyferry carries a changed AWS secret into Kubernetes Secrets on EKS and restarts the workloads that use it."""

__version__ = "0.2.0"
"""The release: of both wheels, of the stack, its log lines, and on Secrets. This is the one place that says it."""
