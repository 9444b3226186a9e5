"""What we say of a certificate and key is what Go, OpenSSL and kubectl say of them.

What is delivered is read by all of them; what the report says that Go does not take, Go and kubectl refuse, and OpenSSL
reads; what is refused, Go or OpenSSL would not read. A table of what differs is printed.
"""

import json
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from keyferry_local import binaries, toolchain
from tests import openssl
from tests.certificates.matrix import Row, list_rows

MODULE = Path(__file__).parent
_LOADED = "Go and kubectl load the key, and nothing in Go signs with it: a handshake fails"
EXPLAINED: Mapping[str, str] = dict.fromkeys(
    (
        *("data: CN=secp224r1, PKCS#8", "data: CN=secp224r1, its own format"),
        *("tls: CN=secp224r1, PKCS#8", "tls: CN=secp224r1, its own format"),
        *("data: RSA of 512 bits", "tls: RSA of 512 bits"),
    ),
    _LOADED,
)
"""Row that differs → why that is right."""


@dataclass(frozen=True)
class Judged:
    """A row, and what is wrong with it for each reader; nothing where nothing is."""

    row: Row
    go: str
    openssl: str
    kubectl: str

    @property
    def differs(self) -> bool:
        """Whether a reader says something else than we do."""
        if self.row.verdict == "delivered":
            return bool(self.go or self.openssl or self.kubectl)
        if self.row.verdict == "noted":
            return not (self.go and self.kubectl) or bool(self.openssl)
        return not (self.go or self.openssl)

    def __str__(self) -> str:
        said = {"Go": self.go, "OpenSSL": self.openssl, "kubectl": self.kubectl}
        readers = "; ".join(f"{reader}: {' '.join(wrong.split()) or 'reads it'}" for reader, wrong in said.items())
        return f"{self.row.name}: {self.row.verdict}; {readers}"


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> list[Judged]:
    """The matrix, with what each reader says."""
    rows = [row for row in list_rows(tmp_path_factory.mktemp("keys")) if row.data]
    folders = list(_write(rows, tmp_path_factory.mktemp("secrets")))
    program = tmp_path_factory.mktemp("go") / "judge"
    toolchain.build(toolchain.find(print), ".", module=MODULE, flags="-s -w", output=program, waiting=print)
    ran = subprocess.run([program, *folders], capture_output=True, text=True, check=True)
    go = [json.loads(line)["wrong"] for line in ran.stdout.splitlines()]
    kubectl = binaries.provide(print).kubectl
    return [
        Judged(row, wrong, openssl.judge(folder), _ask_kubectl(kubectl, folder))
        for row, folder, wrong in zip(rows, folders, go, strict=True)
    ]


def _write(rows: list[Row], place: Path) -> Iterator[Path]:
    """Write what each Secret holds to a folder of its own, as a volume does."""
    for number, row in enumerate(rows):
        folder = place / str(number)
        folder.mkdir()
        for key, content in row.data.items():
            (folder / key).write_bytes(content)
        yield folder


def _ask_kubectl(kubectl: Path, folder: Path) -> str:
    """Return why `kubectl create secret tls` refuses the files of a folder; nothing where it takes them."""
    files = f"--cert={folder / 'tls.crt'}", f"--key={folder / 'tls.key'}"
    command = [str(kubectl), "create", "secret", "tls", "x", *files, "--dry-run=client", "--output=name"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={"KUBECONFIG": "/dev/null"})
    return done.stderr


def test_what_we_say_is_what_go_openssl_and_kubectl_say(
    judged: list[Judged], capsys: pytest.CaptureFixture[str]
) -> None:
    different = {each.row.name: each for each in judged if each.differs}
    with capsys.disabled():
        print(f"\n{len(judged)} rows, {len(different)} differ")
        for name, row in different.items():
            print(f"  {row}\n    {EXPLAINED.get(name, 'not explained')}")
    assert different.keys() == EXPLAINED.keys()


def test_every_verdict_and_reader_is_there(judged: list[Judged]) -> None:
    for verdict in ("delivered", "noted", "refused"):
        assert any(each.row.verdict == verdict for each in judged)
    for reader in ("go", "openssl", "kubectl"):
        assert {bool(getattr(each, reader)) for each in judged} == {True, False}
