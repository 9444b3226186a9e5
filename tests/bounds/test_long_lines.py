"""What is not YAML is told in time that grows with its length alone, however it is broken."""

import time

import pytest

from keyferry.cli.check import documents
from keyferry.cli.check.files import MAX_BYTES

MOST_SECONDS = 30
"""Far more than any of them takes, and far less than a million steps for each of a million characters."""


@pytest.mark.parametrize(
    ("beginning", "repeated", "end"),
    [
        ("a: {", "x", ""),
        ("a: [x", "}]", ""),
        ("a", " ", "b: c: d"),
        ("", 'a: "\n', "\n}"),
        ("", "a: |\n b\n", "\n}"),
        ("", "---\na\n", "---\n}"),
        ("{", "a,", "}"),
        ("{", "1,", "}"),
    ],
)
def test_the_largest_file_that_is_wrong_is_told_in_seconds(beginning: str, repeated: str, end: str) -> None:
    text = beginning + repeated * ((MAX_BYTES - len(beginning + end)) // len(repeated)) + end
    started = time.process_time()
    assert documents.parse("a.yaml", text)[1]
    assert time.process_time() - started < MOST_SECONDS
