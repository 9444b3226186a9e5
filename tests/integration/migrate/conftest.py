"""What tests of a migration have beside a cloud: the kinds of the originals."""

from collections.abc import Iterator

import pytest

from keyferry_local.cloud import Cloud
from tests.integration.migrate.stand_ins import install_kinds, remove_kinds
from tests.integration.scene import CLUSTER


@pytest.fixture(scope="module")
def _kinds(cloud: Cloud) -> Iterator[None]:
    """The kinds of External Secrets and of the driver, in the first cluster."""
    install_kinds(cloud.admins[CLUSTER])
    yield
    remove_kinds(cloud.admins[CLUSTER])
