"""How requirements.txt names the keyferry that has written it, by each way in which it can be installed."""

import base64
import hashlib
import io
import json
import urllib.request
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import IncompleteRead
from importlib.metadata import Distribution
from pathlib import Path
from typing import Any

import pytest

from keyferry.cli.init.requirement import Pin, build_wheel, pin

URL = "https://example.com/keyferry-1.2.3-py3-none-any.whl"
DIGEST = hashlib.sha256(b"a wheel").hexdigest()
INFO = "keyferry-1.2.3.dist-info"
OF_WHEEL = {
    "keyferry/__init__.py": "x = 1\n",
    "keyferry/files/first.yaml": "a: 1\n",
    f"{INFO}/METADATA": "Metadata-Version: 2.4\nName: keyferry\nVersion: 1.2.3\n",
    f"{INFO}/WHEEL": "Wheel-Version: 1.0\nTag: py3-none-any\n",
    f"{INFO}/licenses/LICENSE": "Apache\n",
}
OF_INSTALLER = [
    *("../../../bin/keyferry", "keyferry/__pycache__/__init__.cpython-313.pyc"),
    *(f"{INFO}/{name}" for name in ("INSTALLER", "RECORD", "REQUESTED", "direct_url.json")),
]


def install(folder: Path, origin: dict[str, Any] | None) -> Distribution:
    """Return what is installed in a folder, from there."""
    folder = folder / "lib/python3.13/site-packages"
    for name, text in (OF_WHEEL | dict.fromkeys(OF_INSTALLER, "canary-of-the-installer")).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    (folder / INFO / "RECORD").write_text("".join(f"{name},,\n" for name in [*OF_WHEEL, *OF_INSTALLER]))
    (folder / INFO / "direct_url.json").unlink()
    if origin is not None:
        (folder / INFO / "direct_url.json").write_text(json.dumps(origin))
    return Distribution.at(folder / INFO)


class Web:
    """What is at each URL, and which were fetched."""

    def __init__(self, **pages: bytes) -> None:
        self.pages, self.fetched = pages, list[str]()

    @contextmanager
    def open(self, url: str, timeout: float) -> Iterator[io.BytesIO]:
        assert timeout
        self.fetched.append(url)
        if url not in self.pages:
            raise OSError("no way there")
        yield io.BytesIO(self.pages[url])


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Web:
    web = Web()
    monkeypatch.setattr(urllib.request, "urlopen", web.open)
    return web


def test_a_url_is_held_to_the_hash_that_pip_noted_and_not_fetched_again(tmp_path: Path, web: Web) -> None:
    origin = {"url": URL, "archive_info": {"hash": f"sha256={DIGEST}", "hashes": {"sha256": DIGEST}}}
    made = pin(install(tmp_path, origin), None, is_written=True)
    assert (made.line, made.wheels, made.note) == (f"keyferry[cli] @ {URL} --hash=sha256:{DIGEST}", {}, "")
    assert web.fetched == []


def test_a_url_of_which_uv_noted_no_hash_is_fetched_for_it(tmp_path: Path, web: Web) -> None:
    web.pages[URL] = b"a wheel"
    made = pin(install(tmp_path, {"url": URL, "archive_info": {}}), None, is_written=True)
    assert made.line == f"keyferry[cli] @ {URL} --hash=sha256:{DIGEST}"


class Broken:
    """An answer that breaks off."""

    def __enter__(self) -> "Broken":
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is open."""

    def read(self) -> bytes:
        raise IncompleteRead(b"half of")


@pytest.mark.parametrize("breaks_off", [False, True])
def test_a_url_that_cannot_be_fetched_is_told_and_becomes_no_pin_of_something_else(
    tmp_path: Path, web: Web, monkeypatch: pytest.MonkeyPatch, *, breaks_off: bool
) -> None:
    if breaks_off:
        monkeypatch.setattr(urllib.request, "urlopen", lambda *_, **__: Broken())
    made = pin(install(tmp_path, {"url": URL, "archive_info": {}}), None, is_written=True)
    assert (made.line, made.wheels) == (None, {})
    assert made.note.startswith(f"warning: requirements.txt is not written: {URL} cannot be fetched")
    assert made.note.endswith("run `keyferry init` again")
    assert web.fetched == ([] if breaks_off else [URL])


@pytest.mark.parametrize("is_written", [True, False])
def test_the_pin_that_is_there_is_believed_for_the_same_url_alone(
    tmp_path: Path, web: Web, *, is_written: bool
) -> None:
    installed = install(tmp_path, {"url": URL, "archive_info": {}})
    line = f"keyferry[cli] @ {URL} --hash=sha256:{DIGEST}"
    assert pin(installed, f"# head\n{line}\nboto3==1\n", is_written=is_written) == Pin(line, {})
    other = pin(installed, line.replace("1.2.3", "1.2.2"), is_written=is_written)
    assert (other.line, "SHA256SUMS" in other.note) == (None, not is_written)
    assert web.fetched == []


def test_a_wheel_of_this_machine_goes_into_the_repository_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "a dir/keyferry-1.2.3-py3-none-any.whl"
    path.parent.mkdir()
    path.write_bytes(b"a wheel")
    made = pin(install(tmp_path, {"url": path.as_uri(), "archive_info": {}}), None, is_written=True)
    assert made.wheels == {f"wheels/{path.name}": b"a wheel"}
    assert made.line == f"./wheels/{path.name}[cli] --hash=sha256:{DIGEST}"
    assert "belongs into the repository" in made.note


@pytest.mark.parametrize(
    "origin",
    [
        {"url": "https://example.com/keyferry.git", "vcs_info": {"vcs": "git", "commit_id": "0" * 40}},
        {"url": "file:///checkout/layers/keyferry", "dir_info": {}},
        {"url": "file:///gone/keyferry-1.2.3-py3-none-any.whl", "archive_info": {}},
        {"url": f"{URL}?token=canary", "archive_info": {"hashes": {"sha256": DIGEST}}},
        {"url": URL.replace("//", "//ann:canary@"), "archive_info": {"hashes": {"sha256": DIGEST}}},
        {"url": f"{URL}#canary", "archive_info": {}},
        None,
    ],
    ids=["git", "folder", "file that is gone", "query", "user", "fragment", "index"],
)
def test_what_pip_could_not_hold_to_a_hash_goes_into_the_repository_as_a_wheel(
    tmp_path: Path, origin: dict[str, Any] | None, web: Web
) -> None:
    installed = install(tmp_path, origin)
    made = pin(installed, None, is_written=True)
    [(name, content)] = made.wheels.items()
    assert name == "wheels/keyferry-1.2.3-py3-none-any.whl"
    assert made.line == f"./{name}[cli] --hash=sha256:{hashlib.sha256(content).hexdigest()}"
    assert content == build_wheel(installed)[1]
    assert "canary" not in f"{made.line} {made.note} {web.fetched}"


def test_a_wheel_has_what_was_in_it_with_the_hash_of_each_file_and_nothing_of_the_installer(tmp_path: Path) -> None:
    name, content = build_wheel(install(tmp_path, None))
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        files = {one.filename: archive.read(one).decode() for one in archive.infolist()}
    record = files.pop(f"{INFO}/RECORD")
    assert (name, files) == ("keyferry-1.2.3-py3-none-any.whl", OF_WHEEL)
    for path, text in OF_WHEEL.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=")
        assert f"{path},sha256={digest},{len(text)}\n" in record
    assert record.endswith(f"{INFO}/RECORD,,\n")


def test_a_wheel_is_the_same_however_and_whenever_it_was_installed(tmp_path: Path) -> None:
    once, again = install(tmp_path / "a", None), install(tmp_path / "b", {"url": URL, "archive_info": {}})
    record = tmp_path / "b/lib/python3.13/site-packages" / INFO / "RECORD"
    record.write_text("".join(reversed(record.read_text().splitlines(keepends=True))))
    assert build_wheel(once) == build_wheel(again)


def test_a_checkout_has_no_pin_and_is_told_what_has_one(tmp_path: Path) -> None:
    made = pin(install(tmp_path, {"url": "file:///checkout", "dir_info": {"editable": True}}), None, is_written=True)
    assert (made.line, made.wheels) == ("keyferry[cli]==1.2.3", {})
    assert "install it from a wheel" in made.note
