"""A plan as a comment of a pull request: short where little changes, folded where much does, and no text is obeyed."""

import re
from typing import Any

import pytest

from keyferry.cli.output.markdown import MAX_CHARACTERS, MAX_OPEN_ROWS, escape, format_markdown, quote
from keyferry.cli.plan.document import Leftover, MappingChange, Plan, PlannedStack, TargetChange
from keyferry.formats import printable
from tests.unit.planning import NOW

ROOM = 65_536
"""What GitHub takes."""


def plan(**parts: Any) -> Plan:  # noqa: ANN401
    stack = PlannedStack(name="keyferry", region="eu-west-1", release="0.1.0", deployment="d")
    return Plan(created=NOW, release="0.1.0", stack=stack, folder="f", **parts)


def targets(number: int, **more: Any) -> list[TargetChange]:  # noqa: ANN401
    known: dict[str, Any] = {"cluster": "prod-eu", "namespace": "payments", "secret": "db", "change": "gained"} | more
    return [TargetChange(mapping=f"mapping-{each}", **known) for each in range(number)]


def test_a_plan_of_nothing_is_a_heading_and_a_sentence() -> None:
    assert format_markdown(plan(unchanged=3)).splitlines() == [
        "<!-- keyferry plan -->",
        "### Keyferry: no changes",
        "",
        "no changes&#58; 3 targets stay as they are; the mappings are deployed",
        "",
        "",
        "Stack <code>keyferry</code> in <code>eu-west-1</code>, release <code>0&#46;1&#46;0</code>.",
    ]


def test_a_short_table_is_open_and_its_empty_columns_are_left_out() -> None:
    text = format_markdown(plan(targets=targets(1, will="create", content="changes")))
    assert text.splitlines()[7:-1] == [
        "#### Targets (1)",
        "",
        "| change | cluster | namespace | secret | mapping | will | content |",
        "| --- | --- | --- | --- | --- | --- | --- |",
        "| <code>gained</code> | <code>prod-eu</code> | <code>payments</code> | <code>db</code> |"
        " <code>mapping-0</code> | <code>create</code> | <code>changes</code> |",
    ]
    assert "<details>" not in text


def test_a_long_table_is_folded_under_its_number() -> None:
    text = format_markdown(plan(targets=targets(MAX_OPEN_ROWS + 1)))
    assert f"<details><summary>Targets ({MAX_OPEN_ROWS + 1})</summary>" in text
    assert text.count("<details>") == text.count("</details>") == 1


def test_as_many_rows_as_are_read_at_a_glance_stay_open_and_an_empty_cell_is_empty() -> None:
    text = format_markdown(plan(targets=[*targets(MAX_OPEN_ROWS - 1), *targets(1, will="create")]))
    assert "<details>" not in text
    assert "| <code>create</code> |" in text
    unsaid = TargetChange(mapping="db", cluster="", namespace="n", secret="db", change="gained")
    assert "| <code>gained</code> |  | <code>n</code> |" in format_markdown(plan(targets=[unsaid, *targets(1)]))


def test_whatever_its_size_github_takes_it_and_what_is_left_out_is_counted() -> None:
    left = [
        Leftover(kind="Secret", cluster="c", name=f"s{number}" * 20, keys=["k"], why="w", command="keyferry orphans")
        for number in range(2000)
    ]
    text = format_markdown(
        plan(targets=targets(2000), leftovers=left, generated=["x" * 300] * 500, notes=["n" * 300] * 9)
    )
    assert len(text) <= MAX_CHARACTERS < ROOM
    rows = len(re.findall(r"mapping-\d+", text))
    [rest] = re.findall(r"and ([\d,]+) more", text.partition("Left behind")[0])
    assert rows + int(rest.replace(",", "")) == 2000
    assert text.count("<details>") == text.count("</details>")
    notes = ["." * 1000] * 100
    assert len(format_markdown(plan(notes=notes))) <= MAX_CHARACTERS
    text = format_markdown(plan(notes=notes, targets=targets(2000), leftovers=left, generated=["x" * 300] * 500))
    assert len(text) <= MAX_CHARACTERS
    assert "- and 80 more: `keyferry plan` shows them" in text
    assert "mapping-9</code>" in text, "notes leave room for tables"


@pytest.mark.parametrize(
    "text",
    [
        "</code></details><script>alert(1)</script>",
        "a | b\n| c | d |",
        "@octocat and #1 and _x_ *y* `z` ~~w~~",
        "[a](javascript:alert) ![b](https://evil.example/x.png) https://evil.example www.evil.example",
        "a@b.example :boom: &lt; <!-- -->",
        "a\rb\tc\u202ed",
    ],
)
def test_nobodys_text_is_obeyed(text: str) -> None:
    change = MappingChange(name=text, change="changed", content="stays", fields=[text], was=text)
    whole = format_markdown(plan(mappings=[change], notes=[text]))
    assert re.findall(r"</?(?!code>|/)\w+|<!", whole) == ["<!"], "only the marker, and code"
    [row] = [line for line in whole.splitlines() if "changed" in line and line.startswith("|")]
    assert row.count("|") == 5
    for said in (escape(text), quote(text)):
        plain = re.sub(r"&#(\d+);", "", said.removeprefix("<code>").removesuffix("</code>"))
        assert not re.search(r"[<>|@#_*`~\[\]!:.&\n\r\t]", plain)
        told = re.sub(r"&#(\d+);", lambda match: chr(int(match[1])), said)
        assert printable.escape(text) in told
