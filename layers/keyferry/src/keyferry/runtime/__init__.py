"""The clients of a Lambda environment, and the logs and metrics of a function."""
