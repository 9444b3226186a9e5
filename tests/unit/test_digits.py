"""Names and patterns are ASCII: the digits and letters of other scripts pass for none, since IAM refuses them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from keyferry.arn import Arn
from keyferry.formats.fields import Region
from keyferry.mapping.keys import Regexp
from keyferry.mapping.targets import Eks
from keyferry.policy.rules import AccountGlob
from keyferry.role import RoleArn, TagKey, TagValue
from keyferry.stores import placeholders
from keyferry.stores.source import Source

PACKAGE = Path(__file__).resolve().parents[2] / "layers/keyferry/src/keyferry"
WIDE = {ord(str(digit)): chr(0xFF10 + digit) for digit in range(10)}
"""Digit → the full-width one."""
ACCOUNT = "111122223333"
READERS = {
    "aws/errors/__init__.py": "finds the secret of a call in a text of ours",
    "aws/errors/sdk.py": "reads texts of botocore",
    "cli/check/fields/unknown.py": "finds where a key ends that is not one of ours",
    "cli/check/text/outline.py": "finds the keys of a text that is not YAML",
    "cli/check/text/syntax.py": "finds the keys of a text that is not YAML",
    "cli/migrate/go_templates/lexer.py": "reads Go, whose names have the letters of every script",
    "cli/output/markdown.py": "leaves letters of every script as they are",
    "formats/re2.py": "$name of a replacement, which has the letters of every script in Go too",
    "render/templates.py": "reads texts of Jinja",
}
"""Module whose patterns are not of names → what they are for."""


@pytest.mark.parametrize(
    ("parse", "text", "digits"),
    [
        (TypeAdapter(Region).validate_python, "eu-west-{}", "1"),
        (TypeAdapter(AccountGlob).validate_python, "{}", ACCOUNT),
        (TypeAdapter(RoleArn).validate_python, "arn:aws:iam::{}:role/secrets", ACCOUNT),
        (TypeAdapter(RoleArn).validate_python, f"arn:aws:iam::{ACCOUNT}:role/secrets{{}}", "1"),
        (TypeAdapter(TagKey).validate_python, "team{}", "1"),
        (TypeAdapter(TagValue).validate_python, "{}", "1"),
        (lambda text: Eks(name="prod", region="eu-west-1", account=text), "{}", ACCOUNT),
        (lambda text: Eks(name=text, region="eu-west-1", account=ACCOUNT), "prod{}", "1"),
        (lambda text: Source(secrets_manager=text), "prod/db{}", "1"),
        (lambda text: Source(secrets_manager=text), "arn:aws:secretsmanager:eu-west-1:{}:secret:db", ACCOUNT),
        (lambda text: Source(parameter_store="/db", version=text), "{}", "1"),
        (lambda text: Source(parameter_store=text), "/prod/db{}", "1"),
        (lambda text: Regexp(source="(a)", target=text), "${}", "1"),
    ],
)
def test_full_width_digits_are_refused_where_digits_are_taken(
    parse: Callable[[str], Any], text: str, digits: str
) -> None:
    parse(text.format(digits))
    with pytest.raises(ValidationError):
        parse(text.format(digits.translate(WIDE)))


def test_an_arn_with_full_width_digits_names_nothing() -> None:
    arn = Arn.parse(f"arn:aws:ssm:eu-west-1:{ACCOUNT.translate(WIDE)}:parameter/db")
    assert arn is not None
    assert arn.name_of("ssm", "parameter/") is None


def test_full_width_digits_are_no_placeholder() -> None:
    assert placeholders.parse(f"${{{ACCOUNT.translate(WIDE)}}}/${{namespace}}") == {"namespace"}


def test_no_pattern_of_the_package_takes_the_digits_or_letters_of_every_script() -> None:
    texts = {path.relative_to(PACKAGE).as_posix(): path.read_text() for path in PACKAGE.rglob("*.py")}
    assert {name for name, text in texts.items() if "\\d" in text or "\\w" in text} == READERS.keys()
