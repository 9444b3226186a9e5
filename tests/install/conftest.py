"""What every test of the installation has: AWS settings of the local cloud."""

import pytest


@pytest.fixture(scope="session", autouse=True)
def _no_aws_but_the_local_one(local_aws: None) -> None:
    """Every client that a test makes in this process talks to the local cloud."""
