"""No value leaves memory: the canaries of this run are looked for in everything that it has written. Runs last."""

import base64
from pathlib import Path

import pytest

from keyferry_local.install import Installation
from tests.integration.deployed import Deployed
from tests.leaks import leaks, of_files, of_run


@pytest.mark.parametrize("value", [b"canary-1", b"xcanary-1", b"xxcanary-1", b'{"key": "canary-1"}'])
def test_a_leak_in_any_form_would_be_found(tmp_path: Path, value: bytes) -> None:
    path = tmp_path / "some.log"
    for text in (value, base64.b64encode(value), value.hex().encode()):
        path.write_bytes(b"before " + text + b" after")
        assert leaks(of_files(tmp_path)), text
    path.write_bytes(b"before and after")
    assert leaks(of_files(tmp_path)) == []


def test_nothing_that_the_run_has_written_holds_a_value(installed: Installation, place: Path) -> None:
    found = of_run(Deployed(installed), place)
    assert any("/aws/lambda/" in name and text for name, text in found.items())
    assert leaks(found) == []
