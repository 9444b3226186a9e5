"""Clients of the local AWS: they read nothing of the user's settings and go through no proxy."""

import functools
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import boto3
import botocore.session
from botocore.config import Config
from botocore.loaders import Loader

_OF_THE_USER = ("AWS_", "SAM_", "PYTHON", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
NOTHING_OF_THE_USER = {
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
    "NO_PROXY": "127.0.0.1,localhost",
    "no_proxy": "127.0.0.1,localhost",
}
"""Variables that keep an SDK from the files of the user, from the metadata service of a cloud, and from proxies."""


@dataclass(frozen=True)
class Credentials:
    """A key to the local cloud, of no use anywhere else."""

    access_key: str
    secret_key: str
    session_token: str | None = None


def without_the_user(environ: Mapping[str, str]) -> dict[str, str]:
    """Leave out the variables by which the user sets up AWS, SAM, Python and proxies."""
    return {name: value for name, value in environ.items() if not name.upper().startswith(_OF_THE_USER)}


@functools.cache
def _descriptions() -> Loader:
    """Return what loads the descriptions of services: once for all sessions, since it is most of what they cost."""
    return Loader()


def session(region: str, credentials: Credentials) -> boto3.Session:
    """Open a session with these keys."""
    core = botocore.session.Session()
    core.register_component("data_loader", _descriptions())
    settings = {
        "profile": None,
        "config_file": os.devnull,
        "credentials_file": os.devnull,
        "ca_bundle": None,
        "use_fips_endpoint": False,
        "use_dualstack_endpoint": False,
    }
    # What is set here wins over the environment even where it is None; what is set on the session does not.
    store = core.get_component("config_store")
    for name, value in settings.items():
        store.set_config_variable(name, value)
    return boto3.Session(
        aws_access_key_id=credentials.access_key,
        aws_secret_access_key=credentials.secret_key,
        aws_session_token=credentials.session_token,
        region_name=region,
        botocore_session=core,
    )


def client(opened: boto3.Session, service: str, endpoint: str, region: str) -> Any:  # noqa: ANN401
    """Make a client of a service; its type depends on the name."""
    config = Config(proxies={}, retries={"mode": "standard", "max_attempts": 2}, connect_timeout=5)
    # botocore's stubs want the name of a service as a literal.
    return opened.client(service, endpoint_url=endpoint, region_name=region, config=config)  # type: ignore[call-overload]
