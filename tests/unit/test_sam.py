"""samconfig.toml is read as `sam deploy` reads it, and what AWS would refuse later is refused with its line."""

from pathlib import Path

import pytest

from keyferry.cli.check.problems import InvalidFiles
from keyferry.cli.sam import (
    ARCHITECTURES,
    MAX_STACK_NAME,
    SamConfig,
    check,
    read,
)
from keyferry.identity import DEFAULT_PREFIX, MAX_PREFIX_LENGTH
from tests.unit.stack import ROOT, Stack

MOST = {"QueueName": 80, "FunctionName": 64, "RoleName": 64, "LogGroupName": 512, "DashboardName": 255}
"""Property → how long a name AWS takes (SQS, Lambda, IAM, CloudWatch Logs, CloudWatch)."""


def config(tmp_path: Path, text: str, environment: str = "default") -> SamConfig:
    path = tmp_path / "samconfig.toml"
    path.write_text(text)
    return read(path, environment)


def refuse(tmp_path: Path, text: str, prefix: str = "keyferry", environment: str = "default") -> list[str]:
    """Return what is said of a file that is refused, each with its line."""
    with pytest.raises(InvalidFiles) as refused:
        check(config(tmp_path, text, environment), prefix)
    return [f"{problem.line}: {problem.message}" for problem in refused.value.problems]


@pytest.mark.parametrize(
    "overrides",
    [
        '["Architecture=x86_64", "AlarmEmail=ops@example.com"]',
        '"Architecture=\\"x86_64\\" AlarmEmail=\\"ops@example.com\\""',
        "'Architecture=x86_64 AlarmEmail=ops@example.com'",
        '"ParameterKey=Architecture,ParameterValue=x86_64 ParameterKey=AlarmEmail,ParameterValue=ops@example.com"',
        '[["Architecture=x86_64"], "AlarmEmail=\'ops@example.com\'"]',
        '{Architecture = "x86_64", AlarmEmail = "ops@example.com"}',
    ],
)
@pytest.mark.parametrize("command", ["global", "deploy"])
def test_parameters_are_read_in_every_form(tmp_path: Path, overrides: str, command: str) -> None:
    read = config(tmp_path, f"[default.{command}.parameters]\nparameter_overrides = {overrides}\n")
    assert read.parameters == {"Architecture": "x86_64", "AlarmEmail": "ops@example.com"}
    assert read.architecture == "x86_64"
    check(read, "keyferry")


@pytest.mark.parametrize("overrides", ["5", "true", '["Concurrency=4", 5]', "[[5]]"])
def test_parameters_that_are_no_text_are_refused_at_their_line(tmp_path: Path, overrides: str) -> None:
    text = f'[default.deploy.parameters]\nregion = "eu-west-1"\nparameter_overrides = {overrides}\n'
    assert refuse(tmp_path, text) == ['3: parameter_overrides is a list of texts: ["Architecture=x86_64"]']


def test_a_file_of_parameters_is_refused_since_what_it_says_would_be_missed(tmp_path: Path) -> None:
    text = '[default.deploy.parameters]\nparameter_overrides = [\n  "Concurrency=4",\n  "file://prod.yaml",\n]\n'
    message = "parameter_overrides names file://prod.yaml, which is not read here: write the parameters themselves"
    assert refuse(tmp_path, text) == [f"4: {message}"]


def test_what_is_said_of_deploy_comes_before_what_is_said_of_all_commands(tmp_path: Path) -> None:
    text = """
[default.global.parameters]
stack_name = "all"
parameter_overrides = "Architecture=x86_64"
[default.deploy.parameters]
parameter_overrides = "AlarmEmail=a@b"
"""
    read = config(tmp_path, text)
    assert (read.stack_name, read.parameters) == ("all", {"AlarmEmail": "a@b"})


def test_environments_inherit_nothing(tmp_path: Path) -> None:
    text = '[default.global.parameters]\nstack_name = "a"\n[prod.deploy.parameters]\nregion = "eu-west-1"\n'
    assert config(tmp_path, text, "prod").stack_name is None


def test_without_a_file_all_is_as_the_template_has_it(tmp_path: Path) -> None:
    read_config = read(tmp_path / "samconfig.toml", "default")
    assert (read_config.stack_name, read_config.architecture) == (None, "arm64")
    check(read_config, "keyferry")


def test_the_file_of_this_repository_is_right() -> None:
    read_config = read(ROOT / "samconfig.toml", "default")
    check(read_config, "keyferry")
    assert read_config.stack_name == "keyferry"


def test_names_that_are_too_long_are_refused_at_their_lines(tmp_path: Path) -> None:
    text = f"""
[default.global.parameters]
stack_name = "{"s" * 51}"
[prod.deploy.parameters]
stack_name = "{"s" * 52}"
parameter_overrides = [
  "Architecture=arm64",
  "RoleNamePrefix={"p" * 41}",
]
"""
    check(config(tmp_path, text), "keyferry")
    assert refuse(tmp_path, text, environment="prod") == [
        "5: stack_name has 52 characters, and 51 is the most: the queue NAME-deliveries-dead-letters.fifo could not be"
        " made",
        "8: RoleNamePrefix has 41 characters, and 40 is the most",
    ]


def test_the_prefix_is_that_of_the_mappings(tmp_path: Path) -> None:
    other = '[default.global.parameters]\nstack_name = "a"\nparameter_overrides = "RoleNamePrefix=acme"\n'
    check(config(tmp_path, other), "acme")
    assert refuse(tmp_path, other, "keyferry") == [
        "3: RoleNamePrefix is acme, and the prefix in the mappings is keyferry: write RoleNamePrefix=keyferry into"
        " parameter_overrides, or change the prefix of the document of kind Stack"
    ]
    (missing,) = refuse(tmp_path, '[default.deploy.parameters]\nregion = "eu-west-1"\n', "acme")
    assert missing.startswith("1: RoleNamePrefix is keyferry, and the prefix in the mappings is acme: write")


@pytest.mark.parametrize("name", ["1st", "a_b", "-a", "a.b"])
def test_a_name_that_cloudformation_would_refuse_is_refused(tmp_path: Path, name: str) -> None:
    (problem,) = refuse(tmp_path, f'[default.deploy.parameters]\nstack_name = "{name}"\n')
    assert problem == f"2: stack_name is {name}, and has to be a letter, then letters, digits and hyphens"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[default.deploy.parameters]\nstack_name = 5\n", '2: stack_name is a text: "keyferry"'),
        ("[default.global.parameters]\nregion = 5\n", '2: region is a text: "eu-west-1"'),
        ("[default.keyferry.parameters]\n\nmappings = []\n", '3: mappings is a text: "default/mappings"'),
        (
            "[default.deploy.parameters]\nparameter_overrides = 'A=\"b'\n",
            "2: parameter_overrides has a quotation mark without its like",
        ),
        (
            '[default.deploy.parameters]\n\nparameter_overrides = "Architecture=x86-64"\n',
            "3: Architecture is x86-64; did you mean x86_64?",
        ),
        (
            "[prod.deploy.parameters]\n",
            "1: has no environment default; there is: prod; write the settings into [default.deploy.parameters], or"
            " name another environment (--config-env NAME)",
        ),
    ],
)
def test_what_is_wrong_is_named_with_its_line_and_what_is_right(tmp_path: Path, text: str, problem: str) -> None:
    assert refuse(tmp_path, text) == [problem]


@pytest.mark.parametrize(
    ("line", "column", "right"),
    [
        ("[default", 9, "; a section is in brackets, as [default.deploy.parameters]"),
        ("region = eu-west-1", 10, "; a text stands between quotes, as stack_name = "),
        ("quick = True", 9, "true and false have small letters"),
        ('region = "eu-west-1', 20, "; a text ends on its own line, with the quote that it begins with"),
        ("region = 'eu-west-1", 20, "; a text ends on its own line, with the quote that it begins with"),
        ("one = 2", 8, "; this is there already; keep one of them"),
        ("[two]", 5, "; this is there already; keep one of them"),
        ("a = {b = 1, b = 2}", 18, "; this is there already; keep one of them"),
        ('parameter_overrides = ["A=1" "B=2"]', 30, "; commas divide a list, and ] ends it"),
        ("a = {b = 1", 11, "; commas divide a table, and } ends it on its line"),
        ('a = "c:\\d"', 10, "; write the text between single quotes"),
        ("region eu-west-1", 8, "; a setting is a key, = and its value"),
        ('region = "eu-" "west-1"', 16, "; a line has one setting, and a text one pair of quotes"),
        ("= 2", 1, "; a line is a section, as [default.deploy.parameters], or a setting"),
        ("[+]", 2, "; a key has letters, digits, - and _"),
    ],
)
def test_what_is_not_toml_is_told_with_line_and_column_and_with_what_would_be(
    tmp_path: Path, line: str, column: int, right: str
) -> None:
    before = "[two]\n\n" if line == "[two]" else "one = 1\n\n"
    with pytest.raises(InvalidFiles) as refused:
        config(tmp_path, f"{before}{line}\nlast = 'x'\n")
    [problem] = refused.value.problems
    assert (problem.line, problem.column) == (3, column), problem
    assert problem.message.startswith("not TOML: ")
    assert right in problem.message


def test_what_ends_too_early_is_told_at_the_last_line_that_has_something(tmp_path: Path) -> None:
    (problem,) = refuse(tmp_path, "a = 1\nb = [1,\n\n\n")
    assert problem.startswith("2: not TOML: ")


def test_a_file_in_another_encoding_is_told_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "samconfig.toml"
    path.write_bytes('a = 1\nb = "é"\n'.encode("latin-1"))
    with pytest.raises(InvalidFiles, match=r"samconfig\.toml:2:1: is not UTF-8: save it in that encoding"):
        read(path, "default")


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidFiles, match="cannot be read: Is a directory"):
        read(tmp_path, "default")


def test_the_longest_names_are_those_that_the_template_can_make() -> None:
    """Of the name of the stack and of the prefix of the roles, what is left of the longest name that AWS takes."""
    stack = Stack.load()
    names = [
        (MOST[key], str(value["Fn::Sub"]))
        for properties in stack.of("*").values()
        for key, value in properties.items()
        if key in MOST and isinstance(value, dict)
    ]
    rest = [(variable, most - len(name.replace(f"${{{variable}}}", ""))) for most, name in names
            for variable in ("AWS::StackName", "RoleNamePrefix") if f"${{{variable}}}" in name]  # fmt: skip
    assert min(length for variable, length in rest if variable == "AWS::StackName") == MAX_STACK_NAME
    parameter = stack.template["Parameters"]["RoleNamePrefix"]
    assert f"{{1,{MAX_PREFIX_LENGTH}}}$" in parameter["AllowedPattern"]
    assert min(length for variable, length in rest if variable == "RoleNamePrefix") >= MAX_PREFIX_LENGTH
    assert parameter["Default"] == DEFAULT_PREFIX


def test_the_defaults_are_those_of_the_template() -> None:
    parameter = Stack.load().template["Parameters"]["Architecture"]
    assert tuple(parameter["AllowedValues"]) == ARCHITECTURES
    assert parameter["Default"] == ARCHITECTURES[0]
