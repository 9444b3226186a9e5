"""A local cloud that does not come up as a whole leaves nothing behind."""

import urllib.error
import urllib.request
from pathlib import Path

import pytest

from local import aws, cloud
from local.aws import Aws
from local.processes import StartError


def test_what_has_started_stops_where_the_rest_does_not_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[Aws] = []
    start = aws.start

    def noted(*arguments: object, **options: object) -> Aws:
        started.append(start(*arguments, **options))  # type: ignore[arg-type]
        return started[0]

    monkeypatch.setattr(aws, "start", noted)
    (tmp_path / "prod-eu").write_text("a file where the control plane's folder should be")

    with pytest.raises((StartError, OSError)):
        cloud.start(tmp_path, lambda _: None, sites=[cloud.Site("prod-eu", "eu-west-1")], keep=True)

    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(f"{started[0].endpoint}/_ministack/health", timeout=5)  # noqa: S310  # loopback
