"""`keyferry migrate verify`: compares what mappings make with the Secrets as they are in the clusters."""
