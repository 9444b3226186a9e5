"""What `keyferry schema` shows."""

from tests.unit.shown import Case

CASES = {"report": Case("schema --of generate"), "error": Case("schema --of statsu", 2)}
