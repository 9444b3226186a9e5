"""Commands that steer a stack: each says what it will do, asks, and does it."""
