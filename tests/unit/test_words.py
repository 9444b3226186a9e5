"""How names and numbers are said in sentences."""

import pytest

from keyferry.cli.output.words import add_help, count, count_each, join, name_guides
from keyferry.guides import link_error


@pytest.mark.parametrize(
    ("names", "total", "text"),
    [
        ([], None, ""),
        (["a"], None, "a"),
        (["a", "b", "c"], None, "a, b, c"),
        (["a", "b", "c", "d"], None, "a, b, c and 1 more"),
        (["a", "b", "c"], 1003, "a, b, c and 1,000 more"),
    ],
)
def test_names_are_joined_and_those_for_which_there_is_no_room_are_counted(
    names: list[str], total: int | None, text: str
) -> None:
    assert join(names, total) == text
    assert join(["first", "second"], limit=1) == "first and 1 more"


def test_numbers_have_their_nouns() -> None:
    assert [count(number, "target") for number in (0, 1, 2000)] == ["0 targets", "1 target", "2,000 targets"]
    assert count(2, "target is not known", "targets are not known") == "2 targets are not known"
    assert count_each({"Secret": 2, "Role": 1, "ValidatingAdmissionPolicy": 2}) == (
        "2 Secrets, 1 Role, 2 ValidatingAdmissionPolicies"
    )


def test_an_error_leads_to_what_is_to_be_done_about_its_class_and_a_text_without_one_to_nothing() -> None:
    address = link_error("Conflict")
    errors = ["Conflict: two want it", "no class: at all", "Conflict: three want it", "superseded"]
    assert name_guides(errors) == [f"Conflict: {address}"]
    assert [add_help({"error": error}).get("help") for error in errors] == [address, None, address, None]
    assert add_help({"why": "Conflict: x"}) == {"why": "Conflict: x"}
