"""What `keyferry validate` says, and how every command ends."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from keyferry.cli import main
from keyferry.cli.check.problems import Problem
from keyferry.cli.group import Group
from keyferry.cli.options import EXIT_CODES
from keyferry.errors import Unreachable
from tests.unit.test_files import CLUSTERS, MAPPING


@pytest.fixture
def mappings(tmp_path: Path) -> Path:
    folder = tmp_path / "mappings"
    folder.mkdir()
    (folder / "clusters.yaml").write_text(CLUSTERS)
    (folder / "payments.yaml").write_text(MAPPING)
    return folder


def run(mappings: Path, *args: str | Path, before: tuple[str, ...] = ()) -> Result:
    return CliRunner().invoke(main, ["--mappings", str(mappings), *before, *map(str, args)])


# validate


def test_what_is_right_is_counted(mappings: Path) -> None:
    result = run(mappings, "validate")
    assert (result.exit_code, result.stdout) == (0, f"{mappings}: 1 mapping, 1 cluster, nothing wrong\n")


def test_an_empty_catalogue_is_right(mappings: Path) -> None:
    (mappings / "clusters.yaml").write_text("# nothing yet\n")
    (mappings / "payments.yaml").unlink()
    result = run(mappings, "validate")
    assert (result.exit_code, result.stdout) == (0, f"{mappings}: 0 mappings, 0 clusters, nothing wrong\n")


def test_problems_are_shown_line_by_line_with_exit_code_1(mappings: Path) -> None:
    (mappings / "payments.yaml").write_text(MAPPING.replace("restart", "restrat").replace("[prod-eu]", "[prod-ue]"))
    result = run(mappings, "validate")
    assert result.exit_code == 1
    assert result.stdout.splitlines() == [
        f"{mappings}/payments.yaml:8:14: no cluster is called prod-ue; did you mean prod-eu?",
        f"{mappings}/payments.yaml:14:3: unknown field restrat; did you mean restart?",
    ]
    assert result.stderr == f"{mappings}: 2 problems\n"


def test_a_problem_of_samconfig_toml_is_shown_once(mappings: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(mappings.parent)
    Path("samconfig.toml").write_text("[default\n")
    result = CliRunner().invoke(main, ["validate"])
    assert result.exit_code == 1
    assert result.output.count("not TOML") == 1
    assert result.stdout.startswith("samconfig.toml:1:9: not TOML")
    assert result.stderr == "samconfig.toml: 1 problem\n"


@pytest.mark.parametrize("where", ["before", "after"])
def test_problems_as_json_have_file_line_column_and_message(mappings: Path, where: str) -> None:
    (mappings / "payments.yaml").write_text(MAPPING.replace("restart", "restrat"))
    form = ("--output", "json")
    result = run(mappings, "validate", before=form) if where == "before" else run(mappings, "validate", *form)
    assert result.exit_code == 1
    assert json.loads(result.stdout)["problems"] == [
        {
            "file": f"{mappings}/payments.yaml",
            "line": 14,
            "column": 3,
            "message": "unknown field restrat; did you mean restart?",
            "level": "error",
        }
    ]
    assert result.stderr == ""


@pytest.mark.parametrize("args", [["build"], ["explain", "-"], ["generate"], ["push", "--dry-run"]])
def test_every_command_tells_problems_as_json_like_validate(mappings: Path, args: list[str]) -> None:
    (mappings / "payments.yaml").write_text("]")
    result = run(mappings, *args, before=("--output", "json"))
    assert (result.exit_code, result.stderr) == (1, "")
    assert result.stdout == run(mappings, "validate", "--output", "json").stdout


def test_nothing_wrong_is_no_problem_as_json(mappings: Path) -> None:
    result = run(mappings, "validate", "--output", "json")
    assert (result.exit_code, json.loads(result.stdout)) == (0, {"problems": []})


def test_how_many_names_iam_has_room_for_is_said_beside_the_result_where_little_is_left(mappings: Path) -> None:
    assert "IAM" not in run(mappings, "validate").output
    told = json.loads(run(mappings, "validate", "--targets", "--output", "json").stdout)["iam"]
    assert (told["policies"], told["names"]) == (3, 1)
    assert told["room"] > 500
    names = "".join(f"    s{number}: {{secretsManager: {'long/' * 90}{number}}}\n" for number in range(110))
    (mappings / "payments.yaml").write_text(MAPPING.replace("  sources:\n", f"  sources:\n{names}"))
    result = run(mappings, "validate")
    assert "managed policies, or of 20 once AWS has raised the quota: it names 111 of" in result.stderr
    assert "IAM" not in result.stdout


@pytest.mark.parametrize("command", [["validate"], ["generate"]])
def test_more_names_than_iam_has_room_for_are_refused_with_file_and_remedy(mappings: Path, command: list[str]) -> None:
    names = "".join(f"    s{number}: {{secretsManager: {'long/' * 90}{number}}}\n" for number in range(260))
    (mappings / "payments.yaml").write_text(MAPPING.replace("  sources:\n", f"  sources:\n{names}"))
    result = run(mappings, *command)
    assert result.exit_code == 1
    said = result.stdout if command == ["validate"] else result.stderr
    assert f"{mappings}:1:1: IAM: the role of deliver needs " in said
    assert "allow patterns in place of names by `grant: prefix` in policy.yaml" in said


NOWHERE = (
    "mapping payments-db goes nowhere: no cluster has the labels env=test;"
    " give them to one in clusters.yaml, or choose others"
)


def test_a_mapping_that_goes_nowhere_is_a_warning_in_both_forms(mappings: Path) -> None:
    (mappings / "payments.yaml").write_text(MAPPING.replace("[prod-eu]", "{matchLabels: {env: test}}"))
    path = mappings / "payments.yaml"
    result = run(mappings, "validate")
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        f"{path}:8:13: warning: {NOWHERE}",
        f"{mappings}: 1 mapping, 1 cluster, 1 warning",
    ]
    result = run(mappings, "validate", "--output", "json")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["problems"] == [
        {"file": str(path), "line": 8, "column": 13, "message": NOWHERE, "level": "warning"}
    ]


def test_where_each_mapping_goes_can_be_shown(mappings: Path) -> None:
    chosen = "[shop, payments, {names: [pay-*], matchLabels: {team: a}, exclude: [pay-x]}, {matchLabels: {team: b}}]"
    everywhere = MAPPING.replace("payments-db", "other").replace("[prod-eu]", "{matchLabels: {env: prod}}")
    (mappings / "more.yaml").write_text(everywhere.replace("[payments]", chosen))
    result = run(mappings, "validate", "--targets")
    assert (result.exit_code, [re.split(" {2,}", line) for line in result.stdout.splitlines()[:-1]]) == (
        0,
        [
            ["mapping", "secret", "clusters", "namespaces"],
            ["other", "other", "prod-eu", "payments; shop; pay-* with team=a but pay-x; any with team=b"],
            ["payments-db", "payments-db", "prod-eu", "payments"],
        ],
    )
    found = json.loads(run(mappings, "validate", "--targets", "--output", "json").stdout)
    assert found["problems"] == []
    assert found["targets"][0] == {
        "mapping": "other",
        "secret": "other",
        "clusters": ["prod-eu"],
        "namespaces": ["payments", "shop"],
        "namespaceSelectors": [
            {"names": ["pay-*"], "matchLabels": {"team": "a"}, "exclude": ["pay-x"]},
            {"matchLabels": {"team": "b"}},
        ],
    }


def test_a_mapping_that_goes_nowhere_is_shown_so(mappings: Path) -> None:
    (mappings / "payments.yaml").write_text(MAPPING.replace("[prod-eu]", "{matchLabels: {env: test}}"))
    assert "payments-db  payments-db  none" in run(mappings, "validate", "--targets").stdout


def test_the_form_after_the_command_counts(mappings: Path) -> None:
    result = run(mappings, "validate", "--output", "table", before=("--output", "json"))
    assert result.stdout.endswith("nothing wrong\n")


# How every command ends


def test_help_names_the_commands_and_the_exit_codes() -> None:
    said = CliRunner().invoke(main, ["--help"]).stdout
    assert all(command in said for command in ("validate", "build", "explain", "generate", "push"))
    assert all(f"\n  {code:<5}" in said for code in EXIT_CODES)


@pytest.mark.parametrize("args", [["nothing"], ["validate", "--nothing"], ["--output", "xml", "validate"], ["explain"]])
def test_a_wrong_command_line_ends_with_2(args: list[str]) -> None:
    assert CliRunner().invoke(main, args).exit_code == 2


def ending(raises: BaseException | Callable[[], object]) -> Result:
    """Return the end of a command that does nothing but to fail so."""

    @click.group(cls=Group)
    def group() -> None:
        """Hold the command."""

    @group.command()
    def fail() -> None:
        if isinstance(raises, BaseException):
            raise raises
        raises()

    return CliRunner().invoke(group, ["fail"])


def test_an_error_of_ours_is_one_line_and_its_entry_without_a_traceback() -> None:
    result = ending(Unreachable("cluster prod-eu: no answer"))
    entry = "https://keyferry.dev/operate/troubleshooting/#unreachable"
    assert (result.exit_code, result.output) == (1, f"cluster prod-eu: no answer\n{entry}\n")


def test_an_unexpected_error_is_told_by_type_and_place_and_not_by_its_text() -> None:
    result = ending(ValueError("canary-2"))
    assert result.exit_code == 70
    assert result.stderr.splitlines()[-1].endswith("/operate/troubleshooting/#unexpected")
    assert result.output.startswith("unexpected ValueError at test_cli_validate.py:")
    assert "canary" not in result.output


@pytest.mark.parametrize("raises", [KeyboardInterrupt(), click.Abort()])
def test_an_interrupted_command_ends_with_130(raises: BaseException) -> None:
    result = ending(raises)
    assert (result.exit_code, result.output.strip()) == (130, "interrupted")


def test_a_usage_error_within_a_command_keeps_its_own_form() -> None:
    result = ending(click.UsageError("say --yes"))
    assert result.exit_code == 2
    assert "say --yes" in result.output


# As annotations


def test_a_problem_is_told_as_github_shows_it() -> None:
    found = Problem("a,b:c.yaml", 3, 7, "50% is\nwrong", "warning").as_command()
    assert found == "::warning file=a%2Cb%3Ac.yaml,line=3,col=7::50%25 is%0Awrong"


def test_problems_are_annotations_in_a_workflow(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("kind: Nothing\n")
    result = CliRunner().invoke(main, ["--mappings", str(tmp_path), "validate", "--output", "github"])
    assert result.exit_code == 1
    assert result.stdout.startswith(f"::error file={tmp_path}/a.yaml,line=1,col=7::unknown kind Nothing")


def test_only_what_tells_of_files_takes_that_form(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["--mappings", str(tmp_path), "compile", "out", "--output", "github"])
    assert result.exit_code == 2


def test_a_previous_name_is_one_that_no_other_mapping_has_or_had(mappings: Path) -> None:
    def written(name: str, secret: str, was: str) -> str:
        text = MAPPING.replace("name: payments-db\nspec", f"name: {name}\n  previousNames: [{was}]\nspec")
        return text.replace("    name: payments-db", f"    name: {secret}")

    texts = [written("a", "a", "b"), written("b", "b", "old"), written("c", "c", "old")]
    (mappings / "payments.yaml").write_text("---\n".join(texts))
    result = run(mappings, "validate")
    assert result.exit_code == 1
    said = [line.partition(": ")[2] for line in result.stdout.splitlines()]
    assert said == [
        "mapping b is called so, and what Secrets hold under that name is its own; take it out here, or there",
        "mapping b was called so, and what Secrets hold under that name is its own; take it out here, or there",
    ]
