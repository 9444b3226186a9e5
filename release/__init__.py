"""Makes a release of this repository: `make release VERSION=x.y.z`. It is no part of what is released."""
