"""What `keyferry schema` shows."""

from tests.unit.shown import Case

CASES = {"report": Case("schema --of compile"), "error": Case("schema --of statsu", 2)}
