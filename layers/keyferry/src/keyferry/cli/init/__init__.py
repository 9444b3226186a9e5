"""What `keyferry init` writes: a user's own repository, with mappings, settings, pinned versions and workflows."""

REQUIREMENTS = "requirements.txt"
"""The file of a user's repository that has the pin of this program: one line."""
LOCK = ".venv/lib/python3.13/site-packages/keyferry/application/requirements/cli.txt"
"""What this program needs, with hashes, as its wheel carries it: where it is once that is installed."""
