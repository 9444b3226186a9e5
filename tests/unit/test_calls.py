"""The same listing is made once, whoever asks for it and whenever."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from keyferry.aws.calls import cache_answers
from keyferry.errors import Throttled


def test_threads_that_ask_at_once_wait_for_one_call() -> None:
    calls: list[str] = []
    is_asked, may_answer = threading.Event(), threading.Event()

    def list_region(region: str) -> str:
        calls.append(region)
        is_asked.set()
        assert may_answer.wait(10)
        return region.upper()

    answer = cache_answers(list_region)
    with ThreadPoolExecutor(8) as pool:
        first = pool.submit(answer, "eu")
        assert is_asked.wait(10)
        others = [pool.submit(answer, "eu") for _ in range(6)]
        assert not any(other.done() for other in others)
        may_answer.set()
        assert {each.result(10) for each in (first, *others)} == {"EU"}
    assert calls == ["eu"]


def test_other_arguments_are_another_call() -> None:
    calls: list[tuple[str, str]] = []

    def list_region(region: str, tags: str) -> str:
        calls.append((region, tags))
        return region + tags

    answer = cache_answers(list_region)
    assert [answer("eu", tags="a"), answer("eu", tags="b"), answer("us", tags="a"), answer("eu", tags="a")] == [
        *("eua", "eub", "usa", "eua")
    ]
    assert calls == [("eu", "a"), ("eu", "b"), ("us", "a")]


@pytest.mark.parametrize("error", [Throttled("slow down"), ValueError("canary")])
def test_an_error_is_an_answer_too(error: Exception) -> None:
    calls: list[str] = []

    def list_region(region: str) -> None:
        calls.append(region)
        raise error

    answer = cache_answers(list_region)
    for _ in range(3):
        with pytest.raises(type(error)):
            answer("eu")
    assert calls == ["eu"]
