"""Roles that assume each other in a circle could not be made, and are refused at the line that closes the circle."""

from pathlib import Path

import pytest

from tests.unit.test_files import CLUSTERS, MAPPING, load, told

A, B, C = (
    f"arn:aws:iam::{account}:role/{name}" for account, name in (("1" * 12, "a"), ("2" * 12, "b"), ("3" * 12, "c"))
)


def reading(name: str, *roles: str, of: str = "db") -> str:
    """Return a mapping that reads its source with a chain of roles."""
    source = f"{{secretsManager: prod/{of}, role: [{', '.join(roles)}]}}"
    return MAPPING.replace("payments-db", name).replace("{secretsManager: prod/payments/db}", source)


@pytest.mark.parametrize(
    ("first", "second"), [([A, B], [B, A]), ([A, B, C], [C, A]), ([A, B, C], [C, B]), ([A, B], [C, B, A])]
)
def test_chains_of_two_mappings_that_go_in_a_circle_are_refused(
    tmp_path: Path, first: list[str], second: list[str]
) -> None:
    (said,) = told(tmp_path, a=reading("one", *first), b=reading("two", *second))
    assert said.startswith("b.yaml:7:")
    assert f"{second[-2]} would assume {second[-1]}, which leads to it already in mapping one, source db" in said


def test_a_circle_within_one_chain_is_refused(tmp_path: Path) -> None:
    (said,) = told(tmp_path, a=reading("one", A, B, A))
    assert f"{B} would assume {A}, which leads to it already in mapping one, source db; turn one around" in said


def test_a_role_does_not_assume_itself(tmp_path: Path) -> None:
    (said,) = told(tmp_path, a=reading("one", A, A))
    assert f"{A} follows itself in the chain: name it once" in said


def test_chains_that_part_and_meet_again_are_no_circle(tmp_path: Path) -> None:
    load(tmp_path, a=reading("one", A, B, C), b=reading("two", A, C), c=reading("three", B, C), d=reading("four", A, B))


def test_the_role_of_a_cluster_has_no_chain(tmp_path: Path) -> None:
    (said,) = told(tmp_path, clusters=CLUSTERS.replace("    labels", f"    role: [{A}, {B}]\n    labels"), a=MAPPING)
    assert "clusters.yaml:6:" in said
    assert "the ARN of a role" in said or "text" in said
