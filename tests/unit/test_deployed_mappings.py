"""The mappings that are deployed, as `report` lists them in pages: together they are what was compiled."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from keyferry.cli.check import files
from keyferry.cli.deployment import load_deployment, load_state
from keyferry.errors import InvalidInput, Overtaken
from keyferry.formats.fields import CHECKED
from keyferry.mapping.catalog import Catalog, build_catalog
from keyferry.mapping.verdict import Verdict
from keyferry.pipeline.mappings import Position, list_mappings
from keyferry.pipeline.status import MAX_BYTES
from tests.unit.samples import cluster, mapping

EXAMPLES = Path(__file__).resolve().parents[2] / "examples/mappings"


@pytest.fixture(scope="module")
def compiled() -> Catalog:
    """The examples as a function reads them, with something that the policy says of one."""
    loaded = files.load(EXAMPLES)
    verdicts = {next(iter(loaded.mappings)): Verdict(allowed_types=["Opaque"])}
    text = loaded.model_copy(update={"verdicts": verdicts}).model_dump_json(by_alias=True, exclude_defaults=True)
    return Catalog.model_validate_json(text, context={CHECKED: True})


def pages(catalog: Catalog, max_bytes: int = MAX_BYTES) -> list[dict[str, Any]]:
    """Return all pages, as JSON has them."""
    listed, cursor = list[dict[str, Any]](), None
    while not listed or cursor:
        page = json.loads(json.dumps(list_mappings(catalog, cursor, max_bytes)))
        cursor = Position.model_validate(page["cursor"]) if "cursor" in page else None
        listed.append(page)
        assert len(listed) < 100
    return listed


def join(listed: list[dict[str, Any]]) -> Catalog:
    """Return the catalogue that pages are."""
    whole = {part: {} for part in ("clusters", "mappings", "verdicts")} | {"stack": listed[0]["stack"]}
    for page in listed:
        for part in ("clusters", "mappings", "verdicts"):
            whole[part] |= page.get(part, {})
    return Catalog.model_validate(whole, context={CHECKED: True})


def test_one_page_has_everything_but_the_places_in_the_files(compiled: Catalog) -> None:
    [page] = pages(compiled)
    assert "cursor" not in page
    assert join([page]) == compiled.model_copy(update={"folder": "", "origins": {}, "cluster_origins": {}})


def test_small_pages_have_an_entry_each_and_the_same_together(compiled: Catalog) -> None:
    listed = pages(compiled, 1)
    assert len(listed) == len(compiled.clusters) + len(compiled.mappings)
    assert join(listed).digest == compiled.digest
    assert len(pages(compiled, 3000)) < len(listed)


def test_a_page_holds_no_more_than_it_may(compiled: Catalog) -> None:
    for page in pages(compiled, 3000):
        entries = [
            {part: {name: each}} for part in ("clusters", "mappings") for name, each in page.get(part, {}).items()
        ]
        assert len(entries) == 1 or sum(len(json.dumps(entry)) for entry in entries) <= 3000


def test_the_next_page_of_another_deployment_is_refused(compiled: Catalog) -> None:
    first = Position.model_validate(list_mappings(compiled, None, 1)["cursor"])
    with pytest.raises(Overtaken, match="other mappings were deployed while these were listed"):
        list_mappings(build_catalog([mapping()], [cluster()]), first)


def test_the_digest_is_that_of_what_deliveries_go_by(compiled: Catalog) -> None:
    loaded = files.load(EXAMPLES)
    again = files.load(EXAMPLES).model_copy(update={"folder": "elsewhere", "origins": {}})
    backwards = again.model_copy(update={"mappings": dict(reversed(again.mappings.items()))})
    assert loaded.digest == again.digest == backwards.digest
    assert loaded.digest != compiled.digest, "the policy says something of a mapping"
    assert build_catalog([], []).digest != loaded.digest


def test_without_mappings_there_is_one_page_without_any() -> None:
    [page] = pages(build_catalog([], []))
    assert page.keys() == {"deployment", "stack"}


class Asked:
    """A stack that answers with these pages, one row of them for each time that it is asked from the beginning."""

    name = "keyferry"

    def __init__(self, *answers: Sequence[dict[str, Any] | Exception]) -> None:
        self.answers = list(answers)

    def ask(self, question: str) -> Iterator[dict[str, Any]]:
        assert question in ("mappings", "status")
        for page in self.answers.pop(0):
            if isinstance(page, Exception):
                raise page
            yield {"release": "1.2.3", **page}


def test_the_pages_of_a_stack_are_its_catalogue(compiled: Catalog) -> None:
    deployment = load_deployment(Asked(pages(compiled, 3000)))
    assert (deployment.catalog.digest, deployment.digest, deployment.release) == (*[compiled.digest] * 2, "1.2.3")


def test_a_deployment_in_between_is_listed_anew_a_few_times(compiled: Catalog) -> None:
    moved: list[dict[str, Any] | Exception] = [*pages(build_catalog([], [])), Overtaken("other mappings")]
    assert load_deployment(Asked(moved, moved, pages(compiled))).digest == compiled.digest
    asked = Asked(*[moved] * 9)
    with pytest.raises(Overtaken, match="other mappings"):
        load_deployment(asked)
    assert len(asked.answers) == 6


class Deploying:
    """A stack to which other mappings are deployed, one after the other, always before it is asked for its targets."""

    name = "keyferry"

    def __init__(self, *deployed: Catalog) -> None:
        self.deployed, self.asked = list(deployed), list[str]()

    def ask(self, question: str) -> Iterator[dict[str, Any]]:
        self.asked.append(question)
        if question == "mappings":
            yield from ({"release": "1.2.3", **page} for page in pages(self.deployed[0]))
            return
        self.deployed = self.deployed[1:] or self.deployed
        for number in range(2):
            yield {"deployment": self.deployed[0].digest, "rows": [{"namespace": str(number)}]}


def test_targets_are_those_of_the_mappings_and_otherwise_both_are_asked_for_anew(compiled: Catalog) -> None:
    stack = Deploying(build_catalog([], []), compiled)
    deployment, rows = load_state(stack)
    assert (deployment.digest, [row["namespace"] for row in rows]) == (compiled.digest, ["0", "1"])
    assert stack.asked == ["mappings", "status"] * 2


def test_where_others_are_deployed_again_and_again_nothing_is_said_of_targets(compiled: Catalog) -> None:
    with pytest.raises(Overtaken, match="other mappings are being deployed to stack keyferry while it is asked"):
        load_state(Deploying(*[build_catalog([], []), compiled] * 9))


def test_targets_of_a_release_that_does_not_say_of_which_mappings_they_are_are_taken(compiled: Catalog) -> None:
    asked = Asked(pages(compiled), [{"rows": [{"namespace": "payments"}]}])
    assert load_state(asked)[1] == [{"namespace": "payments"}]


def test_mappings_that_this_release_cannot_read_are_told_with_both_releases(compiled: Catalog) -> None:
    [page] = pages(compiled)
    page["stack"] = {"canary": "canary"}
    with pytest.raises(InvalidInput, match=r"stack keyferry has release 1\.2\.3, whose mappings this release") as told:
        load_deployment(Asked([page]))
    assert "canary" not in str(told.value)
