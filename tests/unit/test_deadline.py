"""Deadlines: what begins late ends no later."""

from keyferry.testing import FakeClock


def test_an_earlier_deadline_is_that_many_seconds_from_now() -> None:
    clock = FakeClock(now=5.0)
    assert clock.deadline(60).within(10).remaining() == 10


def test_a_deadline_within_another_is_never_later_than_that() -> None:
    clock = FakeClock(now=5.0)
    earlier = clock.deadline(10).within(60)
    assert earlier.remaining() == 10
    clock.jump(10)
    assert earlier.has_passed
