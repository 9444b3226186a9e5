"""No regular expression of a mapping computes without end: not in a delivery, a preview or a sweep, nor for an event.

All bombs of `tests.unit.find_bombs` are computed by tests/bounds, in a process with little memory and CPU time.
"""

from typing import Any

import pytest
from pydantic import ValidationError

from keyferry.aws import parameter_store, secrets_manager, sources
from keyferry.errors import SourceUnusable
from keyferry.stores import find as finds
from keyferry.stores.source import Source
from tests.unit import find_bombs
from tests.unit.find_bombs import PATTERNS, TOO_LONG
from tests.unit.samples import WHEN


def test_an_expression_that_is_too_large_is_refused_before_it_is_deployed() -> None:
    with pytest.raises(ValidationError, match="too large a regular expression: write smaller counts"):
        find_bombs.find(find_bombs.TOO_LARGE[0])


@pytest.mark.unwatched
@pytest.mark.parametrize(
    ("pattern", "count"),
    [
        ("-key$", 40_000),
        ("^prod/.*[0-3]/api-key$", 22_858),
        (r"^prod/(team-1|team-2)/[a-z0-9-]+/(db|api)-key$", 2),
        ("^[^/]+/[^/]+/[^/]+/[^/]+$", 40_000),
        (r"(?i)^PROD/\w+-\w+/(database|cache)-\w{1,9}/", 40_000),
    ],
)
def test_what_is_usual_finds_among_many_names(pattern: str, count: int) -> None:
    names = [f"prod/team-{number}/database-{number % 7}/api-key" for number in range(40_000)]
    assert len(find_bombs.find(pattern).select_names(names)) == count


def test_many_choices_are_usual_under_a_path() -> None:
    choices = "|".join(f"prod/team-{number}/database-password" for number in range(100))
    source = Source.model_validate({"find": "secretsManager", "path": "prod/", "regexp": f"^({choices})$"})
    names = [f"{path}/team-{number}/database-password" for path in ("prod", "test") for number in range(500)]
    assert len(source.select_names(names)) == 100


def test_only_names_with_the_beginning_of_the_expression_are_searched() -> None:
    expression = "[ab]*a[ab]{900}c"
    with pytest.raises(SourceUnusable, match=TOO_LONG):
        find_bombs.find(f"^{expression}").select_names(find_bombs.NAMES)
    assert find_bombs.find(f"^team-a/{expression}").select_names(find_bombs.NAMES) == set()


def test_an_expression_that_takes_too_long_for_an_event_matches_it() -> None:
    pattern, name = PATTERNS["many states"], "ab" * 250
    assert finds.can_match(pattern, name)
    assert not finds.can_match(pattern, "ab")
    assert finds.can_match(None, name)
    source = find_bombs.find(pattern)
    assert source.match_event_name(name) == {}
    assert source.match_event_name("ab") is None


def test_a_name_that_aws_does_not_have_matches_nothing() -> None:
    assert not finds.can_match(".", "\ud800")
    assert find_bombs.find("ü").select_names(["ü"]) == set()


class Listing:
    """A client of a store whose listing has many names; no value is ever asked of it."""

    meta = type("Meta", (), {"region_name": "eu-west-1"})

    def __init__(self, pages: list[dict[str, Any]]) -> None:
        self._pages, self.listed = pages, 0

    def get_paginator(self, _operation: str) -> "Listing":
        return self

    def paginate(self, **_arguments: object) -> list[dict[str, Any]]:
        self.listed += 1
        return self._pages


SECRETS = {"SecretList": [{"ARN": f"arn-{name}", "Name": name} for name in find_bombs.NAMES]}
PARAMETERS = {"Parameters": [{"Name": f"/{name}", "Version": 1, "LastModifiedDate": WHEN} for name in find_bombs.NAMES]}
STORES = pytest.mark.parametrize(
    ("store", "page", "reader"),
    [("secretsManager", SECRETS, secrets_manager), ("parameterStore", PARAMETERS, parameter_store)],
)


@STORES
def test_a_delivery_and_a_preview_say_so_before_any_value_is_read(
    store: str,
    page: dict[str, Any],
    reader: Any,  # noqa: ANN401  # one of the modules
) -> None:
    source = Source.model_validate({"find": store, "regexp": PATTERNS["many states"]})
    with pytest.raises(SourceUnusable, match=TOO_LONG):
        reader.read(Listing([page]), source)


@STORES
def test_a_sweep_takes_the_version_for_unknown_and_computes_it_once(
    store: str,
    page: dict[str, Any],
    reader: Any,  # noqa: ANN401  # one of the modules
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    client, searched = Listing([page]), list[str]()
    real_select = finds.select_names

    def select(source: str, regexp: str | None, names: Any) -> set[str]:  # noqa: ANN401
        searched.append(source)
        return real_select(source, regexp, names)

    monkeypatch.setattr("keyferry.stores.source.select_names", select)
    sessions: Any = type("FakeSessions", (), {"client": lambda *_: client})()
    read_state = sources.create_state_reader(sessions)
    patterns = PATTERNS["many states"], f"^{'/' if store == 'parameterStore' else ''}{find_bombs.NAMES[0][:12]}"
    bomb, usual = (Source.model_validate({"find": store, "regexp": pattern}) for pattern in patterns)
    assert [read_state(bomb).version for _ in range(3)] == [None] * 3
    assert len({read_state(usual).version for _ in range(3)} - {None}) == 1
    assert len(searched) == 2
    assert client.listed == 1
