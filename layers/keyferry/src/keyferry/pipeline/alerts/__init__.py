"""Whom a failure is told to: the metric that counts it, and the alarms on these."""
