"""What the three functions do: route changes, deliver them, and reconcile what was missed."""
