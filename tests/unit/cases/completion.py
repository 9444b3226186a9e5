"""What `keyferry completion` shows."""

from tests.unit.shown import Case

CASES = {"report": Case("completion fish"), "error": Case("completion tcsh", 2)}
