"""Who may aim where."""
