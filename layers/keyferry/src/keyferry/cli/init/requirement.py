"""The line of requirements.txt that holds this program to its version and its bytes.

With --require-hashes, pip takes the URL of an archive, or a file, each with its hash; no repository of git, and no
folder. So what was not installed from a URL is put into the user's repository, as the wheel that it is. From where it
was installed says `direct_url.json` (PEP 610).
"""

import base64
import hashlib
import io
import json
import re
import urllib.request
import zipfile
from dataclasses import dataclass
from http.client import HTTPException
from importlib.metadata import Distribution, PackagePath
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

from keyferry.cli.output import console

WHEELS = "wheels"
"""The folder of the user's repository that a wheel is put into."""
_OF_THE_INSTALLER = {"INSTALLER", "RECORD", "REQUESTED", "direct_url.json", "uv_build.json", "uv_cache.json"}
"""Files that are beside the metadata of a distribution, and in no wheel."""
_SECONDS = 60


@dataclass(frozen=True)
class Pin:
    """How requirements.txt names this program."""

    line: str | None
    """None where the hash is not known: then requirements.txt is not written."""
    wheels: dict[str, bytes]
    """The wheel that the line names, by its path in the repository; none where it names a URL."""
    note: str = ""
    """What to tell of it."""


def pin(distribution: Distribution, present: str | None, *, is_written: bool) -> Pin:
    """Return the line for this program as it is installed, with its extra `cli`.

    Args:
        distribution: the program.
        present: the requirements.txt that is there; None where there is none.
        is_written: whether one is written where there is none. Nothing is fetched otherwise.
    """
    origin: dict[str, Any] = json.loads(distribution.read_text("direct_url.json") or "{}")
    url, version = str(origin.get("url", "")), distribution.version
    if origin.get("dir_info", {}).get("editable"):
        note = "keyferry runs from a checkout here, which no pin can name: install it from a wheel, delete"
        return Pin(f"keyferry[cli]=={version}", {}, f"{note} requirements.txt, and run this again")
    if "archive_info" not in origin or not url.startswith(("https://", "http://")):
        return _pin_wheel(distribution, url)
    if not _is_plain(url):
        why = "the URL of keyferry has a user or a query, which can be secret, and is written nowhere"
        return _pin_wheel(distribution, "", f"{why}; ")
    line = f"keyferry[cli] @ {url} --hash=sha256:"
    if digest := _find_hash(origin["archive_info"]) or _find_present(line, present or ""):
        return Pin(line + digest, {})
    if is_written and present is None:
        return _fetch_pin(line, url)
    note = f"requirements.txt: nothing is fetched for a look; SHA256SUMS of the release has the hash of {url}"
    return Pin(None, {}, "" if is_written else note)


def _pin_wheel(distribution: Distribution, url: str, why: str = "") -> Pin:
    """Return the line of a wheel that is put into the repository."""
    name, content = _read_file(url) or build_wheel(distribution)
    note = f"{WHEELS}/{name} is the keyferry that runs here: it belongs into the repository, as workflows install it"
    digest = hashlib.sha256(content).hexdigest()
    return Pin(f"./{WHEELS}/{name}[cli] --hash=sha256:{digest}", {f"{WHEELS}/{name}": content}, why + note)


def _is_plain(url: str) -> bool:
    """Return whether a URL has a host and a path alone."""
    parts = urlsplit(url)
    return not (parts.query or parts.fragment or "@" in parts.netloc)


def _find_hash(archive: dict[str, Any]) -> str | None:
    """Return the SHA-256 that the installer noted; uv notes none."""
    digest = archive.get("hashes", {}).get("sha256")
    return str(digest) if digest else None


def _find_present(line: str, present: str) -> str | None:
    """Return the SHA-256 that a requirements.txt has for the same URL."""
    found = re.search(rf"^{re.escape(line)}([0-9a-f]{{64}})$", present, re.MULTILINE)
    return found[1] if found else None


def _fetch_pin(line: str, url: str) -> Pin:
    """Return the line with the SHA-256 of what is at its URL."""
    try:
        with (
            console.show_progress(f"fetching {url} for its hash", 1),
            urllib.request.urlopen(url, timeout=_SECONDS) as answer,  # noqa: S310  # its scheme was looked at
        ):
            return Pin(line + hashlib.sha256(answer.read()).hexdigest(), {})
    except (OSError, HTTPException) as error:
        why = f"{url} cannot be fetched for its hash ({error})"
        return Pin(None, {}, f"warning: requirements.txt is not written: {why}; run `keyferry init` again")


def _read_file(url: str) -> tuple[str, bytes] | None:
    """Return name and content of the wheel at a URL of a file, if it is still there."""
    path = Path(unquote(urlsplit(url).path))
    try:
        return (path.name, path.read_bytes()) if url.startswith("file:") and path.suffix == ".whl" else None
    except OSError:
        return None


def build_wheel(distribution: Distribution) -> tuple[str, bytes]:
    """Return name and content of a wheel of what is installed: the same bytes each time.

    A wheel of Python alone is a zip of what its installer unpacks, with the list RECORD of it (packaging.python.org,
    "Binary distribution format").
    """
    files = {str(path): path.locate() for path in distribution.files or () if _is_of_wheel(path)}
    contents = {name: Path(str(place)).read_bytes() for name, place in sorted(files.items())}
    stem = f"keyferry-{distribution.version}"
    lines = [f"{name},sha256={_encode(content)},{len(content)}" for name, content in contents.items()]
    record = f"{stem}.dist-info/RECORD"
    contents[record] = "".join(f"{line}\n" for line in [*lines, f"{record},,"]).encode()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in contents.items():
            entry = zipfile.ZipInfo(name)  # dated 1980, as zips begin then
            entry.external_attr, entry.compress_type = 0o100644 << 16, zipfile.ZIP_DEFLATED
            archive.writestr(entry, content)
    return f"{stem}-py3-none-any.whl", buffer.getvalue()


def _is_of_wheel(path: PackagePath) -> bool:
    """Return whether an installed file was in the wheel: no script of the installer's, no bytecode, no note of its."""
    parts = PurePosixPath(path).parts
    if parts[0] == ".." or "__pycache__" in parts:
        return False
    return not (parts[0].endswith(".dist-info") and parts[-1] in _OF_THE_INSTALLER)


def _encode(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip("=")
