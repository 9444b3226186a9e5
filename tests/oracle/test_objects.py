"""`objects` of a SecretProviderClass are read as the AWS provider reads them, or refused; keys as the driver does."""

from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from keyferry.cli.migrate.model import Refusal
from keyferry.cli.migrate.provider_class import objects
from keyferry.formats import jsontext
from keyferry.render.filters import traditional_key
from tests.oracle.ask import Oracle
from tests.oracle.conftest import COMPARED

_FIELDS = ("objectName", "objectAlias", "objectVersion", "objectVersionLabel", "objectType", "filePermission")
_PLAIN = (
    "a",
    "prod/db",
    "prod-db",
    "a b",
    "é",
    "a#c",
    "a #c",
    "12:30",
    "2001-01-01",
    "1.2.3",
    "tRue",
    "nUll",
    "- x",
    "_1",
)
_ODD = (
    *(
        "0",
        "1",
        "-1",
        "+1",
        "-0",
        "007",
        "0o7",
        "0x1F",
        "0b1",
        "1_000",
        "1.5",
        "1.",
        "1e3",
        ".5",
        "null",
        "true",
        "True",
    ),
    *("false", "y", "Y", "yes", "no", "On", "off", "n", "9223372036854775807", "123456789012345678901", "0777", "089"),
)
_WRITTEN = ("''", '""', "'1'", '"y"', "'it''s'", '"a\\n\\u00e9"', "[a]", "{a: b}", "&x a", "*x", "!!str 1", "! 1", "")
_scalars = st.sampled_from(_PLAIN) | st.sampled_from(_PLAIN + _ODD) | st.sampled_from(_PLAIN + _WRITTEN)
_names = st.sampled_from((*_FIELDS, *_FIELDS, "objectname", "OBJECTALIAS", "other", "'objectName'", "1", "y"))
_paths = st.lists(st.tuples(_scalars, _scalars), max_size=2).map(
    lambda parts: "jmesPath:" + "".join(f"\n    - path: {path}\n      objectAlias: {alias}" for path, alias in parts)
)
_failovers = _scalars.map("failoverObject:\n    objectName: {}".format)
_members = st.tuples(_names, _scalars).map(": ".join) | _paths | _failovers
_entries = st.lists(_members, min_size=1, max_size=4).map(lambda lines: "- " + "\n  ".join(lines) + "\n")
texts = st.lists(_entries, min_size=1, max_size=2).map("".join)


def read(text: str) -> list[dict[str, Any]] | None:
    """Return what is read of a text, as the oracle has it; None for a refusal."""
    try:
        entries = objects.parse(text)
    except Refusal:
        return None
    return [_dump(entry, _FIELDS) | _dump_below(entry) for entry in entries]


def _dump(entry: objects.Entry | None, names: tuple[str, ...]) -> dict[str, str]:
    return {name: entry.get(name).text if entry else "" for name in names}


def _dump_below(entry: objects.Entry) -> dict[str, Any]:
    paths = [_dump(part, ("path", "objectAlias", "filePermission")) for part in entry.jmes]
    failover = _dump(entry.failover, ("objectName", "objectVersion", "objectVersionLabel"))
    return {"jmesPath": paths, "failoverObject": failover}


@given(text=texts)
def test_what_is_read_is_what_the_provider_reads(oracle: Oracle, text: str) -> None:
    found = read(text)
    answer = oracle.ask("objects", text=text)
    COMPARED["objects of the CSI driver"] += 1
    if found is not None:
        assert not answer.error, answer
        parsed = [entry | {"jmesPath": entry["jmesPath"] or []} for entry in jsontext.parse(answer.text) or []]
        assert parsed == found


_KEYS = [rsa.generate_private_key(65537, 2048), *(ec.generate_private_key(c()) for c in (ec.SECP256R1, ec.SECP384R1))]


@settings(max_examples=20)
@given(key=st.sampled_from(_KEYS), form=st.sampled_from((PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL)))
def test_a_private_key_is_written_as_the_driver_writes_it(
    oracle: Oracle, key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, form: PrivateFormat
) -> None:
    text = key.private_bytes(Encoding.PEM, form, NoEncryption()).decode()
    assert oracle.ask("driverKey", text=text).text.decode() == traditional_key(text)
