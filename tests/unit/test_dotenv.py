"""Lines NAME=value are read where all who read them read the same; what they differ in is refused."""

import re
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keyferry.formats import dotenv
from keyferry.formats.jsontext import DuplicateKeyError

DIFFERS = r"is read in different ways by different programs: put the value in single quotes, or in double quotes"


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("", {}),
        ("USERNAME=app\nPASSWORD=p@ss\n", {"USERNAME": "app", "PASSWORD": "p@ss"}),
        ("\ufeffA=1\r\nB=2\r\n\r\n", {"A": "1", "B": "2"}),
        ("# words = 'x'\n\n  # more\r\n\texport A=1\n", {"A": "1"}),
        ("Z=1\nA=2", {"Z": "1", "A": "2"}),
        ("A=\nB=''\nC=\"\"", {"A": "", "B": "", "C": ""}),
        ("A=0123\nB=1e3\nC=true", {"A": "0123", "B": "1e3", "C": "true"}),
        ("URL=postgres://u:p@h:1/db?a=b", {"URL": "postgres://u:p@h:1/db?a=b"}),
        ("A='two words; b&c'", {"A": "two words; b&c"}),
        ("A=ü€\U0001f511", {"A": "ü€\U0001f511"}),
        ("A=b64==", {"A": "b64=="}),
        ("A='p#$`\"~ \\n'  # words", {"A": 'p#$`"~ \\n'}),
        ('A="it\'s # \u2028"\t#', {"A": "it's # \u2028"}),
        (
            "A='-----BEGIN X-----\nabc=\n-----END X-----\n'\nB=1",
            {"A": "-----BEGIN X-----\nabc=\n-----END X-----\n", "B": "1"},
        ),
        ("a.b-c_D1=x", {"a.b-c_D1": "x"}),
    ],
)
def test_what_everybody_reads_the_same_is_read(text: str, values: dict[str, str]) -> None:
    read = dotenv.parse(text)
    assert (read, list(read)) == (values, list(values))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        *(
            (f"A={value}", DIFFERS)
            for value in ("canary#1", "#x", "a $b", "a`b`", r"a\nb", "it's", 'a"b"', "~/x", "a~$", "a:~/x")
        ),
        *((f"A={value}", DIFFERS) for value in ("b c", "b;c", "b&c", "b|c", "b>c", "b<c", "(b)", "b)")),
        *(
            (f"A={value}", DIFFERS)
            for value in (" x", "x ", "x\t", "a\rb", "a\x0cb", "a\xa0b", "a\0b", "'a'b", "'a' 'b'")
        ),
        *((f'A="{value}"', DIFFERS) for value in ("$x", r"a\nb", "`x`", 'a"b', "a\r\nb", "a\0")),
        *((f"A='{value}'", DIFFERS) for value in (r"a\\b", r"it\'s", "a'b", "a\r\nb", "a\0")),
        *((f"A={value}", DIFFERS) for value in ("'a", '"a', "'a'#b")),
        *(
            (line, "is not NAME=value, without blanks around =")
            for line in ("A", "A = b", "A: b", "=b", "1A=b", "a b=c")
        ),
        *((line, "is not NAME=value, without blanks around =") for line in ("export A", "[section]", "\xa0A=b", "ü=b")),
    ],
)
def test_what_readers_differ_in_is_refused_with_its_line(line: str, said: str) -> None:
    with pytest.raises(ValueError, match=rf"^line 4 {said}") as raised:
        dotenv.parse(f"# canary\nX='1\n2'\n{line}\nY=1\n")
    assert "canary" not in str(raised.value)


def test_a_name_that_is_given_twice_is_refused() -> None:
    with pytest.raises(DuplicateKeyError, match=r"^line 3 has a name that is there already$"):
        dotenv.parse("A=1\nB=2\nA=1\n")


VALUES = st.text(st.sampled_from("ab1 =.:/@-_+,'\"$`\\#~!%?*[]{}\n\tü\u2028"), max_size=8)


@given(st.dictionaries(st.sampled_from(["A", "B_1", "c"]), VALUES))
def test_any_value_that_quotes_can_hold_is_read_back(values: dict[str, str]) -> None:
    def quote(value: str) -> str:
        return f"'{value}'" if not re.search(r"'|\\[\\']|\\\Z", value) else f'"{value}"'

    held = {
        name: value
        for name, value in values.items()
        if not re.search(r"'.*[\"$`\\]|[\"$`\\].*'|\\\\|\\\Z", value, re.S)
    }
    assert dotenv.parse("".join(f"{name}={quote(value)}\n" for name, value in held.items())) == held


@settings(max_examples=60, deadline=None)
@given(VALUES, st.sampled_from(["", "'", '"']))
def test_a_shell_reads_the_same_wherever_it_reads_a_value_at_all(value: str, quote: str) -> None:
    line = f"A={quote}{value}{quote}"
    try:
        read = dotenv.parse(line)
    except ValueError:
        return
    done = subprocess.run(["sh", "-c", f'unset A\n{line}\nprintf %s "$A"'], capture_output=True, check=False)
    if not quote and re.search(r"\s", value):
        return  # a shell takes what is behind the blank for a command
    assert (done.returncode, done.stdout.decode()) == (0, read["A"])


@given(VALUES)
def test_docker_reads_the_same_of_a_value_without_quotes(value: str) -> None:
    try:
        read = dotenv.parse(f"A={value}")
    except ValueError:
        return
    assert value[:1] in ("'", '"') or value.strip("\n\t ") == read["A"]


@given(st.text(st.sampled_from("A=b'\"\\ \t\r\n#$`~\0export"), max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        assert all(isinstance(value, str) for value in dotenv.parse(text).values())
    except ValueError as error:
        assert str(error)
