"""A JMESPath that the AWS provider reads otherwise is told; all others pass. `make oracle` asks go-jmespath itself."""

import pytest

from keyferry.cli.migrate.jmespaths import find_difference


@pytest.mark.parametrize(
    "path",
    [
        "username",
        '"tls.crt"',
        "users[0].name",
        "users[?name=='app'].password | [0]",
        "users[?port > `1024`].name | [0]",
        "join(',', hosts[*].name)",
        "to_string(port)",
        'not_null(password, `"x"`)',
        "a[1:3] | [0]",
        "'it`s'",
        '`"a\\`b"`',
        "`[1, 2.5]`",
    ],
)
def test_a_path_that_both_read_alike_passes(path: str) -> None:
    assert find_difference(path) == ""


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("`app`", "has `app`, and backticks hold JSON"),
        ("users[?name==`app`].password", "has `app`, and backticks hold JSON"),
        (r"'a\'b'", r"has a backslash in 'a\'b'"),
        ("users.*.name | [0]", "has a * that takes members of an object in an order that is random there"),
        ("values(@)[0]", "has values(), which takes members of an object"),
        ("to_number(a) && 'x'", "has to_number(), which takes other texts for numbers there"),
        ("join(',', keys(users))", "has keys(), which takes members of an object"),
        ("users[?name > 'app'].name | [0]", "compares by <, <=, > or >= what may be texts"),
        ("users[?id == `9007199254740993`].name | [0]", "has 9007199254740993, of which only the first digits count"),
    ],
)
def test_one_that_the_provider_reads_otherwise_is_told_with_what_to_write(path: str, said: str) -> None:
    assert find_difference(path).startswith(said)
