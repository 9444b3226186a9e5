"""Random YAML: keys with a text each, as templates with several keys make it, and documents as manifests are."""

from hypothesis import strategies as st

SCALARS = (
    *(
        "x",
        "a b",
        "yes",
        "No",
        "on",
        "OFF",
        "y",
        "n",
        "true",
        "False",
        "TRUE",
        "null",
        "~",
        "Null",
        "",
        "0777",
        "0o17",
        "0x1F",
    ),
    *(
        "0b101",
        "1_000",
        "12:30",
        "1:2:3",
        "1.50",
        "1e3",
        "1E+3",
        ".5",
        "5.",
        "-0",
        "+1",
        "1e21",
        "123456789012345678901",
    ),
    *(
        "9223372036854775808",
        "2026-01-01",
        "2026-01-01T10:00:00Z",
        ".inf",
        "-.INF",
        ".nan",
        "089",
        "08",
        "1.2.3",
        "=",
        "<<",
    ),
    *(
        "'quoted'",
        "'it''s'",
        '"a\\tb"',
        '"\\u00e9\\x41"',
        '"a\\\n   b"',
        "é",
        "- x",
        "a: b",
        "a #c",
        "a#c",
        "{x: y}",
        "[1, a]",
    ),
    *(
        "!!str 5",
        "!!int '5'",
        "!!binary aGk=",
        "@x",
        "`x",
        "%x",
        "&a 1",
        "*a",
        "? x",
        "|\n  a\n  b\n",
        ">\n  a\n  b\n\n  c\n",
    ),
    *(
        "|-\n  a\n",
        "|+\n  a\n\n",
        "|2\n   a\n",
        "a\n  b",
        '"',
        "'",
        "\t",
        "x:",
        ":x",
        "!x y",
        "-1.5e-7",
        "1.0",
        "100000000.0",
        "0.1e1",
    ),
)
_keys = st.sampled_from(
    ("a", "b", "user", "tls.crt", "5", "1.5", "yes", "~", "'q'", '"x y"', "a-b", "<<", "é", "? a", "true", "null")
)
_ends = st.sampled_from(("\n", "\n", "\n\n", " # c\n", "\r\n"))


def _write(parts: list[tuple[str, str, str]]) -> str:
    return "".join(f"{key}: {value}{end}" for key, value, end in parts)


scalars = st.sampled_from(SCALARS) | st.text("ab0.:-_ eE+'\"#x1", max_size=6)
lines = st.lists(st.tuples(_keys, scalars, _ends), max_size=4, unique_by=lambda line: line[0]).map(_write)
texts = (
    lines
    | lines
    | st.sampled_from(
        ("", "---\na: b\n", "a: b\n---\nc: d\n", "- a\n", "x", "{}", "null", "a: b\n...\n", "\ta: b\n", "{a: b, c: 1}")
    )
)
"""Documents that are to be keys with a text each."""
