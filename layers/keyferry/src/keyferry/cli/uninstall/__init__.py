"""What it takes to remove a stack and all that it has left elsewhere: `keyferry uninstall --plan`."""
