"""Whom what became of a delivery is told to: by metrics and their alarms, and by Kubernetes Events."""
