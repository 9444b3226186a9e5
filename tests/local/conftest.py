"""The local cloud's own tests: each module starts what it needs of it."""

from collections.abc import Iterator

import pytest

from keyferry_local import aws
from keyferry_local.aws import Aws


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aws]:
    """An AWS of the module's own, without Keyferry."""
    started = aws.start(tmp_path_factory.mktemp("aws"))
    yield started
    aws.stop(started)
