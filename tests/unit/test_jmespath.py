"""A JMESPath expression that could never be evaluated is found before there is a document."""

import jmespath
import pytest
from jmespath.functions import Functions

from keyferry.budget import Budget, OverBudget
from keyferry.formats import jmespath as paths


@pytest.mark.parametrize(
    "path",
    [
        "password",
        '"a key".b[0]',
        "users[?contains(groups, 'admin')].sort_by(@, &name) | [0].name",
        "merge(a, b, c)",
        "users[0:2].name",
        "users[::-1] | [:1]",
        "{a: to_string(a), b: [length(b), not_null(c)]}",
    ],
)
def test_an_expression_that_can_be_evaluated_passes(path: str) -> None:
    paths.check(path)


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("a[", "not a JMESPath expression: "),
        ("", "not a JMESPath expression: "),
        (f"a[{'9' * 5000}]", "not a JMESPath expression: "),
        ("(" * 10_000, "not a JMESPath expression: nested too deeply"),
        ("a" * 100_000, "not a JMESPath expression: it has 100,000 characters, and 16,384 is the most"),
        ("lenght(a)", r"JMESPath has no function lenght; did you mean length\?"),
        ("a[?contain(b, 'x')].c", r"JMESPath has no function contain; did you mean contains\?"),
        ("{a: [xyzzy()]}", "JMESPath has no function xyzzy; there is: abs, avg, ceil"),
        ("length()", "JMESPath's length takes 1 argument, and here are 0"),
        ("join(a)", "JMESPath's join takes 2 arguments, and here are 1"),
        ("starts_with(a, b, c)", "JMESPath's starts_with takes 2 arguments, and here are 3"),
        ("merge()", "JMESPath's merge takes 1 argument or more, and here are 0"),
    ],
)
def test_one_that_cannot_be_is_refused_with_what_would_be_right(path: str, said: str) -> None:
    with pytest.raises(ValueError, match=f"^{said}"):
        paths.check(path)


@pytest.mark.parametrize("name", sorted(Functions.FUNCTION_TABLE))
@pytest.mark.parametrize("given", [0, 1, 2, 3])
def test_what_is_said_of_arguments_is_what_jmespath_says(name: str, given: int) -> None:
    call = f"{name}({', '.join(['@'] * given)})"
    try:
        jmespath.search(call, None)
    except jmespath.exceptions.ArityError:
        refused = True
    except jmespath.exceptions.JMESPathError:
        refused = False
    else:
        refused = False
    try:
        paths.check(call)
    except ValueError:
        assert refused
    else:
        assert not refused


def test_each_node_that_is_visited_is_a_step() -> None:
    assert paths.search("a", {"a": "x"}, Budget(1)) == "x"
    with pytest.raises(OverBudget):
        paths.search("a.b", {"a": {"b": "x"}}, Budget(1))
