"""Regular expressions of `find` and of rules for keys that compute as much as a few characters can ask for.

Run as a program, it takes each where an author's expression is computed, one by one, and says what became of it, with
the memory and the CPU time that it has taken.
"""

import itertools
import json
import random
import sys
import time
from collections.abc import Callable
from functools import partial

from pydantic import ValidationError

from keyferry.errors import KeyferryError
from keyferry.mapping.catalog import build_catalog
from keyferry.mapping.mapping import SecretMapping
from keyferry.model import Change, Place, SecretValue, SourceValue
from keyferry.render.render import render
from keyferry.stores.source import Source
from tests.unit.bombs import _read_peak_mebibytes, build_mapping
from tests.unit.samples import WHEN, cluster

_DICE = random.Random(1)  # noqa: S311  # nothing secret
NAMES = [f"{_DICE.getrandbits(500):b}".replace("0", "a").replace("1", "b") for _ in range(40_000)]
"""Names of secrets: many, as long as AWS lets them be, and such that each leads to states of its own."""
TOO_LONG = "computes too much: its regular expression takes too long for "
"""The beginning of the error."""
MAX_RULES = 100
PATTERNS = {
    "many states": "(?:a|b)*a(?:a|b){900}c",
    "fewer states": "(?:a|b)*a(?:a|b){14}c",
    "optional letters": "(a?){900}b{900}c",
    "nested repetitions": "(a*)*" * 190 + "c",
    "many groups": "()" * 450 + "a.*c",
    "all letters": r"(\pL|\pN){9}c",
    "many letters": ".{700}c",
    "many choices": "|".join(f"^{'ab' * 20}{number}.*c" for number in range(90)),
}
DISTINCT = [rf"(a?b?){{{number}}}c{other}" for number, other in itertools.product(range(400, 900, 10), range(8))]
"""More expressions than are kept, each of some thousand instructions."""
TOO_LARGE = [rf"(\pL|\pN|\pS){{{number}}}" for number in range(300, 700)]


def find(pattern: str) -> Source:
    """Return a source that finds by a regular expression."""
    return Source.model_validate({"find": "secretsManager", "regexp": pattern})


def build(pattern: str, number: int = 0) -> SecretMapping:
    """Return a mapping with such a source."""
    document = build_mapping({"data": {}, "dataFrom": [{"from": "all"}]})
    document["metadata"]["name"] = f"bomb-{number}"
    document["spec"]["sources"] = {"all": {"find": "secretsManager", "regexp": pattern}}
    return SecretMapping.model_validate(document)


def read(pattern: str) -> str:
    """Select names, as a delivery, a preview and a sweep do."""
    return f"selected {len(find(pattern).select_names(NAMES))}"


def route(pattern: str) -> str:
    """Route an event to a hundred mappings."""
    catalog = build_catalog([build(f"{pattern}{number}", number) for number in range(100)], [cluster()])
    change = Change(store="secretsmanager", names=(NAMES[0],), kind="updated", event_id="1", time=WHEN)
    return f"matched {len(list(catalog.matches_of(change)))}"


def rename(pattern: str) -> str:
    """Rename long keys by as many rules as there can be."""
    return rename_all([pattern] * MAX_RULES, {"ab" * 1900 + str(key): "x" for key in range(16)})


def rename_all(patterns: list[str], document: dict[str, str]) -> str:
    """Rename the keys of a document by a rule for each expression."""
    rules = [{"regexp": {"source": pattern, "target": "x"}} for pattern in patterns]
    entries = [{"from": "db", "keys": list(batch)} for batch in itertools.batched(rules, MAX_RULES, strict=False)]
    mapping = SecretMapping.model_validate(build_mapping({"data": {}, "dataFrom": entries}))
    source = SourceValue(SecretValue(json.dumps(document).encode()), "version-1")
    return f"rendered {len(render(mapping, {'db': source}, Place('prod-eu', 'payments')).data)}"


def refuse() -> str:
    """Validate expressions that are too large, all but the last."""
    errors = set[str]()
    for pattern in TOO_LARGE:
        try:
            find(pattern)
        except ValidationError as error:
            errors.add(error.errors()[0]["msg"])
    return "; ".join(errors)


BOMBS: dict[str, Callable[[], str]] = {
    **{
        f"{work.__name__}, {name}": partial(work, pattern)
        for work in (read, route, rename)
        for name, pattern in PATTERNS.items()
    },
    "rename, many captures": lambda: rename("(a*)" * 190 + "$"),
    "rename, more than are kept": lambda: rename_all(DISTINCT, {str(key): "x" for key in range(300)}),
    "validate, too large": refuse,
}


def run(name: str) -> dict[str, object]:
    """Compute what a bomb asks for, and return what became of it."""
    started = time.process_time()
    try:
        said = BOMBS[name]()
    except KeyferryError as error:
        said = f"{type(error).__name__}: {error}"
    return {"name": name, "said": said, "seconds": time.process_time() - started, "mebibytes": _read_peak_mebibytes()}


if __name__ == "__main__":
    for bomb in sys.argv[1:] or BOMBS:
        print(json.dumps(run(bomb)), flush=True)
