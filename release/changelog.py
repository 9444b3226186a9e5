"""The section of CHANGELOG.md that tells of one version."""

import re

from release.errors import Refused

NEEDED = "What the upgrade needs"
"""The heading that each version must have, though it be to say that nothing is needed."""
_FORM = "`## {version} - YYYY-MM-DD`"


def read_section(text: str, version: str) -> str:
    """Return the section of a version, without its heading.

    Args:
        text: the changelog.
        version: as in the heading, `1.2.0`.

    Raises:
        Refused: there is none with a date, or it does not say what the upgrade needs.
    """
    parts = re.split(r"^## (.+)$", text, flags=re.MULTILINE)
    for heading, section in zip(parts[1::2], parts[2::2], strict=True):
        if re.fullmatch(rf"{re.escape(version)} - \d{{4}}-\d\d-\d\d", heading.strip()):
            _check_needs(section, version)
            return section.strip() + "\n"
    headings = ", ".join(heading.strip() for heading in parts[1::2]) or "none"
    raise Refused(
        f"CHANGELOG.md has no section {_FORM.format(version=version)} (it has: {headings}): give what is unreleased"
        " that heading"
    )


def _check_needs(section: str, version: str) -> None:
    found = re.search(rf"^### {NEEDED}\n+(?P<text>.*?)(?=^### |\Z)", section, flags=re.MULTILINE | re.DOTALL)
    if not found or not found["text"].strip():
        raise Refused(
            f"CHANGELOG.md, {version}: `### {NEEDED}` is missing or empty: say what to do beside a new pin, or that"
            " nothing is needed"
        )
