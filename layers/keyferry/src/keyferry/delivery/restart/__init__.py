"""What is looked at for the restarts of a delivery, and what becomes of each workload."""
