"""Run checks side by side: one that cannot look is a warning, and stops no other."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

from keyferry.cli.doctor.finding import Check, Finding
from keyferry.errors import AccessDenied, KeyferryError, Unexpected

AT_ONCE = 8
"""How many checks run side by side."""

type Grant = Callable[[], tuple[str, ...]]
"""Returns the commands that give whoever runs the checks the right to look."""


def run_checks(checks: Iterable[Check], grant: Grant) -> Iterator[Finding]:
    """Yield the findings in the order of the checks, as soon as they and all before them are known.

    Args:
        checks: what to look at.
        grant: what gives the right to look, for what AWS refuses.
    """
    with ThreadPoolExecutor(AT_ONCE) as pool:
        futures = [pool.submit(collect, check, grant) for check in checks]
        try:
            for future in futures:
                yield from future.result()
        finally:  # whoever is interrupted waits for what has begun alone
            pool.shutdown(wait=False, cancel_futures=True)


def collect(check: Check, grant: Grant = tuple) -> list[Finding]:
    """Return the findings of a check; one that cannot go on ends in a warning that says why."""
    findings: list[Finding] = []
    try:
        findings.extend(check.run())  # keeps what comes before an error
    except AccessDenied as error:
        findings.append(_describe(check, error, grant()))
    except KeyferryError as error:
        findings.append(_describe(check, error))
    except Exception as error:  # its text can quote a value
        findings.append(_describe(check, Unexpected(error)))
    return findings


def _describe(check: Check, error: KeyferryError, remedy: tuple[str, ...] = ()) -> Finding:
    return Finding(check.name, "warning", check.what, f"could not be looked at: {error}", remedy)
