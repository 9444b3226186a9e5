"""Every example of the documentation, broken in each of the ways of `ways.py`: what `validate` says of each mistake.

`python -m tests.unit.mistakes` prints which share of the messages names the right thing, and those that do not.
"""

import re
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel

from keyferry.cli.check import files
from keyferry.cli.check.problems import InvalidFiles, Problem
from keyferry.formats import yamltext
from keyferry.mapping.mapping import SecretMapping
from keyferry.mapping.stack import Stack
from keyferry.mapping.targets import Clusters
from keyferry.policy.rules import Policy
from tests.unit.parts import Mistake, Sample
from tests.unit.ways import WAYS

ROOT = Path(__file__).resolve().parents[2]
MODELS: dict[str, type[BaseModel]] = {
    "SecretMapping": SecretMapping,
    "Clusters": Clusters,
    "Policy": Policy,
    "Stack": Stack,
}
FILES = {"SecretMapping": "mapping.yaml", "Clusters": "clusters.yaml", "Policy": "policy.yaml", "Stack": "stack.yaml"}
"""Kind → the file that a sample of it is."""
MOST_PROBLEMS = 3
LONG_TEXT = """\
apiVersion: keyferry.dev/v1
kind: SecretMapping
metadata:
  name: payments-db
spec:
  sources:
    db: {secretsManager: prod/payments/db}
  clusters: [prod-eu]
  namespaces: [payments]
  secret:
    name: payments-db
    data:
      database.ini:
        template: |
          [database]
          user = {{ db.username }}
          password = {{ db.password }}
          timeout = 30
"""


@cache
def list_samples() -> list[Sample]:
    """Return each example, as a whole document with nothing wrong."""
    samples = {sample.text: sample for name, text in _list_texts() for sample in _list_whole(name, text)}
    return [sample for sample in samples.values() if not [each for each in check(sample) if each.level == "error"]]


def _list_texts() -> Iterator[tuple[str, str]]:
    """Yield each YAML text of the documentation, and the file that it is in."""
    for guide in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))):
        for text in re.findall(r"^```yaml\n(.*?)^```$", guide.read_text(), re.MULTILINE | re.DOTALL):
            yield guide.name, text
    yield "a long text", LONG_TEXT
    for example in sorted((ROOT / "examples").rglob("*.yaml")):
        yield example.name, example.read_text()


def _list_whole(name: str, text: str) -> Iterator[Sample]:
    """Yield the documents of a text; a part of a mapping within a whole one."""
    for number, part in enumerate(re.split(r"^---.*\n", text, flags=re.MULTILINE)):
        try:
            example = yaml.safe_load(part)
        except yaml.YAMLError:
            continue
        if isinstance(example, dict) and example.get("kind") in MODELS:
            yield Sample(f"{name}/{number}", part, MODELS[example["kind"]])
        elif isinstance(example, dict) and "kind" not in example:
            yield Sample(f"{name}/{number}", yaml.safe_dump(_complete(example), sort_keys=False), SecretMapping)


def _complete(example: dict[str, Any]) -> dict[str, Any]:
    [first] = yaml.safe_load_all((ROOT / "README.md").read_text().partition("```yaml\n")[2].partition("```")[0])
    whole: dict[str, Any] = first | {"spec": first["spec"] | example}
    return whole


def check(sample: Sample, text: str | None = None) -> list[Problem]:
    """Return what `validate` says of a sample, or of another text in its place, with files that it needs beside it."""
    data = yamltext.parse(sample.text)
    names = data["spec"]["clusters"] if sample.model is SecretMapping else ["prod-eu"]
    items = [
        {"name": name, "eks": {"name": name, "region": "eu-west-1", "account": "111122223333"}}
        for name in (names if isinstance(names, list) else ["prod-eu"])
    ]
    with tempfile.TemporaryDirectory() as directory:
        folder = Path(directory)
        clusters = {"apiVersion": "keyferry.dev/v1", "kind": "Clusters", "clusters": items}
        (folder / "clusters.yaml").write_text(yaml.safe_dump(clusters))
        for template in re.findall(r"templateFile: ([\w./-]+)", sample.text):
            (folder / template).write_text("password = secret\n")
        (folder / FILES[data["kind"]]).write_text(sample.text if text is None else text)
        try:
            return files.check(folder)[1]
        except InvalidFiles as error:
            return error.problems


def list_mistakes(sample: Sample, most: int) -> Iterator[Mistake]:
    """Yield the mistakes that can be made in a sample, of each way the same number of times at most.

    A text that still means the same is none.
    """
    means = yamltext.parse(sample.text)
    for way, broken in WAYS.items():
        mistakes = [Mistake(way, *mistake) for mistake in broken(sample)]
        step = max(1, len(mistakes) // most)
        for mistake in mistakes[::step][:most]:
            try:
                is_same = yamltext.parse(mistake.text) == means
            except ValueError:
                is_same = False
            if not is_same:
                yield mistake


def judge(mistake: Mistake, problems: Sequence[Problem]) -> str:
    """Return what is wrong with what was said of a mistake: its form, its line or its words; empty if all is right."""
    near = [each for each in problems if any(abs(each.line - line) <= 2 for line in mistake.lines)]
    if not problems:
        return "silent"
    if len(problems) > MOST_PROBLEMS:
        return "cascade"
    if not near:
        return "line"
    return "" if any(re.search(mistake.right, each.message) for each in near) else "words"


def main(most: int) -> None:
    """Print the share of messages that name the right thing, and what was said where they do not."""
    verdicts: Counter[str] = Counter()
    ways: Counter[str] = Counter()
    for sample in list_samples():
        for mistake in list_mistakes(sample, most):
            problems = check(sample, mistake.text)
            verdict = judge(mistake, problems)
            verdicts[verdict] += 1
            ways[mistake.way] += bool(verdict)
            if verdict:
                said = "; ".join(f"{each.line}: {each.message}" for each in problems[:4])
                place = f"{sample.name}:{mistake.lines[0]}"
                print(f"{verdict:8} {mistake.way} at {place}, expected {mistake.right}\n         {said}")
    print(
        f"\n{verdicts[''] / verdicts.total():.1%} of {verdicts.total():,} name the right thing; not: {dict(verdicts)}"
    )
    print(dict(ways.most_common(12)))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
