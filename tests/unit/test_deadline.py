"""A deadline is a point of a clock."""

from keyferry.testing import FakeClock


def test_a_later_deadline_is_that_much_after_this_one() -> None:
    clock = FakeClock()
    deadline = clock.deadline(10)
    later = deadline.later(20)
    clock.jump(11)
    assert (deadline.has_passed, deadline.remaining()) == (True, 0)
    assert (later.has_passed, later.remaining()) == (False, 19)
