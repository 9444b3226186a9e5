"""Every example of the documentation, broken in each of many ways: what is said of each mistake keeps to one form."""

import pytest

from tests.unit.mistakes import MOST_PROBLEMS, check, judge, list_mistakes, list_samples
from tests.unit.parts import Mistake, Sample
from tests.unit.ways import WAYS

LEAST_SHARE = 0.95


def test_there_are_examples_of_every_kind_and_sixty_ways_to_break_them() -> None:
    samples = list_samples()
    assert len(samples) > 30
    assert {sample.model.__name__ for sample in samples} == {"SecretMapping", "Clusters", "Policy", "Stack"}
    assert len(WAYS) >= 60
    assert {mistake.way for sample in samples for mistake in list_mistakes(sample, 1)} == WAYS.keys()


@pytest.mark.parametrize("sample", list_samples()[::3], ids=lambda sample: sample.name)
def test_a_mistake_is_told_at_its_line_in_few_words_and_once(sample: Sample) -> None:
    verdicts = []
    for mistake in list_mistakes(sample, 1):
        problems = check(sample, mistake.text)
        verdict = judge(mistake, problems)
        assert verdict in ("", "words"), (verdict, mistake, problems)
        assert len(problems) <= MOST_PROBLEMS
        verdicts.append(verdict)
    assert verdicts.count("") >= LEAST_SHARE * len(verdicts)


def test_what_is_said_elsewhere_or_of_something_else_is_judged_to_be_wrong() -> None:
    sample = list_samples()[0]
    mistake = Mistake("a typo", sample.text.replace("kind:", "kimd:"), (2,), "kind")
    problems = check(sample, mistake.text)
    assert judge(mistake, problems) == ""
    assert judge(Mistake("a typo", mistake.text, (2,), "no such word"), problems) == "words"
    assert judge(Mistake("a typo", mistake.text, (9,), "kind"), problems) == "line"
    assert judge(mistake, problems * 4) == "cascade"
    assert judge(mistake, []) == "silent"
