"""What the program `openssl` says of the files of a TLS Secret."""

import shutil
import subprocess
from pathlib import Path

import pytest


def run(*arguments: str | Path) -> tuple[bool, str]:
    """Return whether the program ends well, and what it says."""
    program = shutil.which("openssl")
    if program is None:
        pytest.fail("the program openssl is not on the path: install the package openssl, 3.0 or later")
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
    return done.returncode == 0, done.stdout if done.returncode == 0 else done.stderr


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
        return ""
    verified, said = run("verify", "-no-CApath", "-no-CAstore", "-CAfile", ca, "-untrusted", crt, crt)
    return "" if verified else f"the chain: {said}"
