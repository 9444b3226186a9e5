"""The SAM project that `sam deploy` deploys, made of the installed release and of the mappings: `keyferry build`."""
