"""What `keyferry generate` shows."""

from tests.unit.shown import Case

CASES = {"report": Case("generate"), "dry-run": Case("generate --dry-run"), "error": Case("generate --check", 1)}
