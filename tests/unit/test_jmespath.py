"""A JMESPath expression that could never be evaluated is found before there is a document."""

import re

import jmespath
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jmespath.functions import Functions

from keyferry.budget import Budget, OverBudget
from keyferry.formats import jmespath as paths
from keyferry.formats import jsontext, yamltext


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


SIGNS = "a name with other signs than letters, digits and _ is in double quotes"


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("api-key", f"{SIGNS}: write '\"api-key\"'"),
        ("public ip", f"{SIGNS}: write '\"public ip\"'"),
        ("a/b", f"{SIGNS}: write '\"a/b\"'"),
        ("@type", f"{SIGNS}: write '\"@type\"'"),
        ("größe", f"{SIGNS}: write '\"größe\"'"),
        ("2fa", f"{SIGNS}: write '\"2fa\"'"),
        ("a:b", f"{SIGNS}: write '\"a:b\"'"),
        ("$ref", f"{SIGNS}: write '\"$ref\"'"),
        ("password!", f"{SIGNS}: write '\"password!\"'"),
        ("users[0].first name", f"{SIGNS}: write 'users[0].\"first name\"'"),
        ("items[].key-id", f"{SIGNS}: write 'items[].\"key-id\"'"),
        ('"a b".c-d', f'{SIGNS}: write \'"a b"."c-d"\''),
        (r"tls\.crt", f"{SIGNS}: write '\"tls.crt\"'"),
        ("data['x']", "a name stands after a dot: write data.x"),
        ('data["x y"]', "a name stands after a dot: write 'data.\"x y\"'"),
        ("Accounts.0.Password", "an index is in brackets: write 'Accounts[0].Password'"),
        ("users.#.name", "an index is in brackets: write 'users[*].name'"),
        ("$.username", "$ is of JSONPath: write username"),
        ("$['user-name']", "$ is of JSONPath, and a name stands after a dot: write '\"user-name\"'"),
        ("$[0].a", "$ is of JSONPath: write '[0].a'"),
        (".username", "a path begins with a name, without a dot: write username"),
        ("user..name", "one dot divides names: write user.name"),
        ("$", "$ is of JSONPath: leave path out to take the whole value"),
        (".dockerconfigjson", f"{SIGNS}: write '\".dockerconfigjson\"'"),
        ("a.[0]", "no dot stands before a bracket: write 'a[0]'"),
        ("$.a.['b']", "$ is of JSONPath, and no dot stands before a bracket, and a name stands after a dot: write a.b"),
        ("a[name].b", "a name stands after a dot: write a.name.b"),
        ("a[api-key]", "a name stands after a dot: write 'a.\"api-key\"'"),
        ("a?.b?[0]", "what is missing is nothing also without ?: write 'a.b[0]'"),
        ("a.b?", "what is missing is nothing also without ?: write a.b"),
        ("users.0.name", "an index is in brackets: write 'users[0].name'"),
        ("0", "an index is in brackets: write '[0]'"),
        ("-1", "an index is in brackets: write '[-1]'"),
        ("/password", "a dot divides names, and no slash: write password"),
        (
            "/users/0/api-key",
            "a dot divides names, and no slash, and an index is in brackets,"
            f" and {SIGNS}: write 'users[0].\"api-key\"'",
        ),
        ("/true", "a dot divides names, and no slash: write 'true'"),
        ("a or b", "or is ||, and and is &&: write 'a || b'"),
        ("a.b and c or d", "or is ||, and and is &&: write 'a.b && c || d'"),
        ("it's or that", "' as character 3 is wrong"),
        ("a == 1", "1 as character 6 is wrong; values are compared by ==, a text is in single quotes and a number in"),
        ("a.#(b==1).c", "# as character 3 is wrong; values are compared by =="),
        ("", "it is empty; leave path out to take the whole value"),
        ("a.", "something is missing at its end"),
        ("a. .b", ". as character 4 is wrong"),
        ("a, b", ", as character 2 is wrong"),
        ("users[?name='x']", "= as character 12 is wrong; values are compared by ==, a text is in single quotes and"),
    ],
)
def test_what_other_languages_have_is_told_in_jmespath(path: str, said: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(f'not a JMESPath expression: {said}')}") as raised:
        paths.check(path)
    _, _, meant = str(raised.value).partition(": write ")
    if meant:
        paths.check(yamltext.parse(f"{{path: {meant}}}")["path"])


@pytest.mark.parametrize("path", ["{{ db.password }}", "${password}"])
def test_a_path_with_braces_is_told_from_a_template(path: str) -> None:
    with pytest.raises(ValueError, match=r"^a path is no template: write it without braces"):
        paths.check(path)


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)


@given(st.lists(TEXTS | st.integers(-3, 9), min_size=1, max_size=4))
def test_keys_and_indexes_make_the_path_that_has_them(steps: list[paths.Step]) -> None:
    path = paths.write_path(steps)
    paths.check(path)
    assert paths.list_steps(path) == steps


@given(st.text(st.sampled_from("ab0.-_$@[]'\"# {}|*?\\/é\n")))
def test_what_is_proposed_is_jmespath(path: str) -> None:
    try:
        paths.check(path)
    except ValueError as error:
        _, _, meant = str(error).partition(": write ")
        if meant and "{{" not in path and "${" not in path:
            paths.check(meant.removeprefix("'").removesuffix("'"))
    else:
        paths.describe_oddity(path)


FIXED = "takes nothing from the source, it is a fixed text or number: a name has no quotes, or double ones, as"


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("'user-name'", f"{FIXED} '\"user-name\"'; for a fixed text say value instead of from and path"),
        ("'password'", f"{FIXED} password; for a fixed text"),
        ("`1`", f"{FIXED} password; "),
        ("'a'.b", FIXED),
        ("'a' | b", FIXED),
        ("length('a')", FIXED),
        ('users[?name=="admin"].key', '"admin" is the name of a key here; a text to compare with is in single quotes'),
        (
            "users[?name=='a'].key",
            "writes a list in JSON, also where one fits; the first value alone is \"users[?name=='a'].key | [0]\"",
        ),
        ("[?a].b.c", "writes a list in JSON, also where one fits; the first value alone is '[?a].b.c | [0]'"),
        (
            "[?a=='b' && \"c-d\"].c",
            "writes a list in JSON, also where one fits; the first value alone is '[?a==''b'' && \"c-d\"].c | [0]'",
        ),
        ("[username]", "makes a list of one value; the value alone is username"),
        ('a.["b-c"]', "makes a list of one value; the value alone is 'a.\"b-c\"'"),
    ],
)
def test_an_expression_that_is_probably_not_meant_so_is_told(path: str, said: str) -> None:
    paths.check(path)
    assert paths.describe_oddity(path).startswith(said)


@pytest.mark.parametrize(
    "path", ["a", "@", "[0]", "a.b[0]", "[a, b]", "a[*].[b]", "[length(@)]", "not_null(a, 'x')", "a[?b=='c'].d | [0]"]
)
def test_an_expression_that_can_be_meant_is_not(path: str) -> None:
    assert paths.describe_oddity(path) == ""


@pytest.mark.parametrize("path", ["a.*", "a || b", "length(@)", "a[].b", "a | keys(@)"])
def test_an_expression_with_more_than_steps_has_no_steps(path: str) -> None:
    assert paths.list_steps(path) is None


def test_steps_behind_a_pipe_are_steps() -> None:
    assert paths.list_steps("a | b | [0]") == ["a", "b", 0]


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("abs(text)", "abs takes number, and gets string"),
        ("length(nothing)", "length takes string, array, object, and gets null"),
        ("sum(texts)", "sum takes array of number, and gets string"),
        ("join(',', @)", "join takes array of string, and gets object"),
        ("keys(texts)", "keys takes object, and gets array"),
        ("sort_by(texts, &@.x)", "sort_by takes string, number, and gets null"),
        ("ceil(big)", "(OverflowError)"),
    ],
)
def test_a_function_that_gets_what_it_does_not_take_says_so_without_a_value(path: str, said: str) -> None:
    with pytest.raises(Exception) as raised:  # of the library
        paths.search(path, {"text": "canary", "texts": ["canary"], "big": jsontext.Number("1e999")}, Budget())
    told = paths.describe_failure(raised.value)
    assert told.endswith(said)
    assert "canary" not in told
