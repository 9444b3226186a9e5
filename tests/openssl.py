"""What the program `openssl` says of the files of a TLS Secret."""

import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import pytest

KINDS: Mapping[str, tuple[str, ...]] = {
    "RSA of 512 bits": ("-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:512"),
    "RSA of 1024 bits": ("-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024"),
    "RSA-PSS": ("-algorithm", "RSA-PSS", "-pkeyopt", "rsa_keygen_bits:2048"),
    "brainpoolP256t1": ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:brainpoolP256t1"),
    "SM2": ("-algorithm", "SM2"),
    "parameters of a curve": (
        *("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"),
        *("-pkeyopt", "ec_param_enc:explicit"),
    ),
}
"""Kind of key that the library does not make → what `openssl genpkey` is told."""

_NO_OTHERS = ("-no-CApath", "-no-CAstore")
"""What `openssl verify` is told so that it takes no authority of this computer."""
READ_BY_ALL = ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")
"""What `openssl genpkey` is told for a kind of key that all read."""
REFUSED_BY_GO: Mapping[str, tuple[str, ...]] = {
    "negative serial number": ("-set_serial", "-5"),
    "URI that is none": ("-addext", "subjectAltName=URI:http://a b"),
    "critical key identifier": ("-addext", "subjectKeyIdentifier=critical,hash"),
}
"""What of a certificate Go does not take, and the library does not make → what `openssl req` is told."""


def run(*arguments: str | Path) -> tuple[bool, str]:
    """Return whether the program ends well, and what it says."""
    program = shutil.which("openssl")
    if program is None:
        pytest.fail("the program openssl is not on the path: install the package openssl, 3.0 or later")
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
    return done.returncode == 0, done.stdout if done.returncode == 0 else done.stderr


def issue(folder: Path, *options: str, request: Sequence[str] = ()) -> tuple[str, str]:
    """Return a certificate that is its own issuer, and its key; of kinds that the library does not make.

    Args:
        folder: where both are written.
        options: what `openssl genpkey` is told of the kind.
        request: what `openssl req` is told beside the usual.
    """
    crt, key = folder / "crt", folder / "key"
    for arguments in (
        ["genpkey", *options, "-out", str(key)],
        ["req", "-x509", "-new", "-key", str(key), "-subj", "/CN=me", "-days", "3650", *request, "-out", str(crt)],
    ):
        succeeded, said = run(*arguments)
        assert succeeded, said
    return crt.read_text(), key.read_text()


def judge(folder: Path) -> str:
    """Return what is wrong with the files tls.crt, tls.key and ca.crt of a folder; empty where nothing is.

    The certificates of `tls.crt` have to lead to one of `ca.crt`; where there is no ca.crt, each to the next.
    """
    crt, key, ca = (folder / name for name in ("tls.crt", "tls.key", "ca.crt"))
    certificate_read, of_certificate = run("x509", "-in", crt, "-noout", "-pubkey")
    key_read, of_key = run("pkey", "-in", key, "-pubout", "-passin", "pass:")
    if not (certificate_read and key_read):
        return "tls.key: not read" if certificate_read else "tls.crt: not read"
    if of_certificate != of_key:
        return "tls.key: of another pair"
    if not ca.exists():
        return _judge_pairs(folder, crt)
    verified, said = run("verify", *_NO_OTHERS, "-CAfile", ca, "-untrusted", crt, crt)
    return "" if verified else f"the chain: {said}"


def _judge_pairs(folder: Path, crt: Path) -> str:
    """Return what is wrong between each certificate of a chain and the next; empty where nothing is."""
    blocks = re.findall(rb"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", crt.read_bytes(), re.DOTALL)
    for number, (issued, issuer) in enumerate(pairwise(blocks), 1):
        (folder / "issued").write_bytes(issued + b"\n")
        (folder / "issuer").write_bytes(issuer + b"\n")
        arguments = ("-partial_chain", "-CAfile", folder / "issuer", folder / "issued")
        verified, said = run("verify", *_NO_OTHERS, *arguments)
        if not verified:
            return f"certificate {number} and the next: {said}"
    return ""
