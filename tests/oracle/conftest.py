"""How many examples are drawn, the running program, and a count of what was compared."""

import time
from collections import Counter
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests.oracle import ask

COMPARED: Counter[str] = Counter()
"""Name of a test → how often the original and ours were asked the same."""
_STARTED = time.monotonic()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--examples", type=int, default=500, help="how many examples each comparison draws")


def pytest_configure(config: pytest.Config) -> None:
    examples = config.getoption("--examples", default=500)
    slow = (HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.function_scoped_fixture)
    settings.register_profile(
        "oracle", max_examples=examples, deadline=None, database=None, suppress_health_check=slow, derandomize=False
    )
    settings.load_profile("oracle")


@pytest.fixture(scope="session")
def oracle() -> Iterator[ask.Oracle]:
    """The program."""
    program = ask.provide()
    yield program
    program.close()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    seconds = time.monotonic() - _STARTED
    for name, number in sorted(COMPARED.items()):
        terminalreporter.write_line(f"{name}: {number:,} compared")
    terminalreporter.write_line(f"{COMPARED.total():,} comparisons in {seconds:.0f} s")
