"""The commands of `keyferry migrate`, beside the conversion itself."""
