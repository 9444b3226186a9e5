"""The file of a plan: written for its owner alone, and read back for `keyferry push --plan`."""

import os
import tempfile
from pathlib import Path

from pydantic import ValidationError

from keyferry.cli.plan.document import FORMAT, Plan
from keyferry.errors import InvalidInput
from keyferry.model import parse_json


def format_plan(plan: Plan) -> str:
    """Return the text of the file, which is JSON."""
    return plan.model_dump_json(by_alias=True, exclude_defaults=False, indent=2) + "\n"


def write_plan(path: Path, plan: Plan) -> None:
    """Write a plan, mode 0600: a file that is there already is replaced as a whole.

    Raises:
        InvalidInput: it cannot be written.
    """
    if path.is_symlink() or (path.exists() and not path.is_file()):  # /dev/stdout would be replaced
        raise InvalidInput(f"{path}: cannot be written: no regular file; `--output json` writes the same to stdout")
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # which makes it 0600
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(format_plan(plan))
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise InvalidInput(f"{path}: cannot be written: {error.strerror}") from None


def read_plan(path: Path) -> Plan:
    """Return a plan from its file.

    Raises:
        InvalidInput: it cannot be read, or is none that this release can carry out.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise InvalidInput(f"{path}: cannot be read: {reason}") from None
    document = parse_json(text)
    known = document.get("format") if isinstance(document, dict) else None
    if known is None:
        raise InvalidInput(f"{path}: not a plan; `keyferry plan -o FILE` writes one")
    if known != FORMAT:
        raise InvalidInput(
            f"{path}: a plan of format {known!s:.20}, and this release takes {FORMAT}: plan again with it"
        )
    try:
        return Plan.model_validate_json(text)
    except ValidationError as error:
        fields = ", ".join(sorted({".".join(map(str, entry["loc"])) for entry in error.errors()})[:5])
        raise InvalidInput(f"{path}: a plan that somebody has changed, or of another release: {fields}") from None
