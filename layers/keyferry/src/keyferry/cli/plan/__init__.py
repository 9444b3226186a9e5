"""What a folder of mappings would change, against what is deployed: `keyferry plan`, and `keyferry push --plan`."""
