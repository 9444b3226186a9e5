"""Record answers of the originals for the unit tests: `python -m tests.oracle.record`, after a change of what is asked.

Of many random questions, the shortest are kept that use what no other one does: operators, functions, kinds of answers.
They are those that we answer alike, and those that both refuse.
"""

import json
import re
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings

from tests.oracle.ask import Oracle, provide
from tests.oracle.comparisons import COMPARISONS, Comparison, Question, Refused

FOLDER = Path(__file__).parents[1] / "unit/oracle/samples"
DRAWN, MOST, EACH, LONGEST = 1200, 280, 2, 400
_WORDS = re.compile(r"[a-zA-Z_]\w*|\d|[^\w\s]{1,2}")
_ASKED = ("path", "template")
"""The fields that say what is asked; where there is none of them, all do."""


def record(name: str, comparison: Comparison, oracle: Oracle) -> None:
    """Write the file of one comparison: a question on each line, with what is made; null for an error, or nothing."""
    samples = list(_choose(_draw(comparison, oracle)))
    lines = ",\n".join(json.dumps({**question, "made": made}, sort_keys=True) for question, made in samples)
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / f"{name.replace(' ', '-').lower()}.json").write_text(f"[\n{lines}\n]\n")
    print(f"{name}: {len(samples)} samples", flush=True)


def _draw(comparison: Comparison, oracle: Oracle) -> list[tuple[Question, Any]]:
    """Return questions, with what both make of them."""
    found: dict[str, tuple[Question, Any]] = {}

    @seed(1)
    @settings(
        max_examples=DRAWN,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],
    )
    @given(comparison.questions)
    def collect(question: Question) -> None:
        question = _shorten(question)
        made = comparison.read(oracle.put(question))
        try:
            ours = comparison.make(question)
        except Refused:
            ours = None
        if ours == made:
            found[json.dumps(question)] = question, made

    collect()
    return list(found.values())


def _shorten(question: Question) -> Question:
    """Return a question without the values that its template does not name."""
    if question["ask"] != "template" or re.search(r"[({ ][.$][ )}]", question["template"]):
        return question
    values = {name: text for name, text in question["values"].items() if name in question["template"]}
    return {**question, "values": values}


def _choose(found: list[tuple[Question, Any]]) -> Iterator[tuple[Question, Any]]:
    """Yield the questions to keep: those that make something, and fewer of those that make nothing."""
    for is_nothing, most in ((False, MOST), (True, MOST // 4)):
        seen, chosen = Counter[Any](), 0
        pairs = [pair for pair in found if (pair[1] is None) == is_nothing and len(json.dumps(pair)) < LONGEST]
        for question, made in sorted(pairs, key=lambda pair: len(json.dumps(pair[0]))):
            asked = " ".join(str(question[name]) for name in _ASKED if name in question) or str(question)
            words = {type(made).__name__, *_WORDS.findall(asked)}
            if chosen < most and any(seen[word] < EACH for word in words):
                seen.update(words)
                chosen += 1
                yield question, made


def main(names: Sequence[str]) -> None:
    """Record the comparisons of these names; all of them where there is none."""
    oracle = provide()
    for name in names or COMPARISONS:
        record(name, COMPARISONS[name], oracle)
    oracle.close()


if __name__ == "__main__":
    main(sys.argv[1:])
