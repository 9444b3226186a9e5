"""What the commands that steer a stack share."""
