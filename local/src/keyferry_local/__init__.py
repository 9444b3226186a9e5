"""The local cloud: AWS emulated, Kubernetes real, on loopback, for demo, tests and benchmarks."""
