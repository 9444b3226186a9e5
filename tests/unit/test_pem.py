"""PEM is read in the forms that people have it in, and written as RFC 7468 says; what is cut or mixed up is told."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyferry.render.pki.pem import (
    PRIVATE_KEY,
    Block,
    UnusableCertificate,
    measure_der,
    parse_blocks,
    select_blocks,
    write_pem,
)
from tests.unit.forms import READ_BY_ALL, READ_BY_NONE, encode
from tests.unit.pki import CHAIN, LEAF, RSA

TEXTS = {"certificates": CHAIN, "key": LEAF.pem, "key of RSA": RSA.traditional}


def rewritten(text: str | bytes) -> str:
    """Return all blocks of a text, written anew."""
    return b"".join(block.pem for block in parse_blocks(encode(text))).decode()


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
@pytest.mark.parametrize("form", READ_BY_ALL)
def test_what_others_read_is_written_anew_and_not_complained_of(text: str, form: str) -> None:
    changed = READ_BY_ALL[form](text)
    assert rewritten(changed) == text
    assert {block.form for block in parse_blocks(changed.encode())} == {""}


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
@pytest.mark.parametrize("form", READ_BY_NONE)
def test_what_others_do_not_read_is_written_anew_and_named(text: str, form: str) -> None:
    change, said = READ_BY_NONE[form]
    assert rewritten(change(text)) == text
    assert parse_blocks(encode(change(text)))[0].form == said


@pytest.mark.parametrize("form", [form for form in READ_BY_NONE if form != "no space at all"])
def test_an_encrypted_key_keeps_its_headers_in_every_form(form: str) -> None:
    text = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: DES-EDE3-CBC,4E0F4DDB115AEB02\n\n"
    text += "Y2FuYXJ5\n-----END RSA PRIVATE KEY-----\n"
    assert rewritten(READ_BY_NONE[form][0](text)) == text


@pytest.mark.parametrize("label", ["X509 CERTIFICATE", "TRUSTED CERTIFICATE"])
def test_old_labels_of_certificates_become_the_new_one(label: str) -> None:
    text = LEAF.crt.replace("CERTIFICATE", label)
    assert rewritten(text) == LEAF.crt
    assert parse_blocks(text.encode())[0].form == f"labelled {label} instead of CERTIFICATE"


def test_blocks_without_a_line_end_between_them_are_named() -> None:
    first, second = parse_blocks((LEAF.crt.rstrip() + RSA.crt).encode())
    assert (first.pem.decode(), first.form) == (LEAF.crt, "joined to the next block without a line end")
    assert (second.pem.decode(), second.form) == (RSA.crt, "within a line of other text")


def test_a_key_of_pgp_is_no_pem() -> None:
    [block] = parse_blocks(b"-----BEGIN PGP PRIVATE KEY BLOCK-----\n\nlQOY\n=abcd\n-----END PGP PRIVATE KEY BLOCK-----")
    with pytest.raises(UnusableCertificate, match=r"is of PGP, which is no PEM: leave it as it is$"):
        _ = block.pem


def test_base64_without_its_end_is_completed_and_named() -> None:
    text = write_pem("A", b"canary!").decode()
    assert "=" in text
    [block] = parse_blocks(text.replace("=", "").encode())
    assert (block.pem.decode(), block.form) == (text, "without the = at the end of its base64")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("-----BEGIN A-----x", "a block A begins in it without its line -----END A-----: it was cut, or mixed up"),
        ("x-----END A-----", "a block A ends in it without its line -----BEGIN A-----"),
        ("-----BEGIN A-----x-----END B-----", "a block A begins in it without its line -----END A-----"),
        ("-----BEGIN A----------BEGIN A-----x-----END A-----", "a block A begins in it without"),
        ("-----BEGIN A-----" * 9, "a block A begins in it without"),
    ],
)
def test_a_text_that_was_cut_or_mixed_up_is_told(text: str, said: str) -> None:
    with pytest.raises(UnusableCertificate, match=said):
        parse_blocks(text.encode())


@pytest.mark.parametrize(
    ("body", "damage"),
    [
        ("", ""),
        ("ä", ""),
        ("canary-1", ""),
        ("AA=A", ""),
        ("AAAA=AAA", ""),
        ("A", ", for it was cut"),
        ("> canary\n> canary", ", for its lines begin with >, as in a mail that was quoted"),
        ("canary<br>canary", ", for it has marks of a web page, as <br>"),
        ("canary%0Acanary", ", for it is written as in a URL, with %0A for a line end"),
        ("canary^M\ncanary^M", ", for it has ^M, as editors show a line end"),
        ("canary...canary", ", for a part of it is left out"),
        ("canary…canary", ", for a part of it is left out"),
        ("canary,\ncanary", ", for it has commas between its lines"),
        ("Mcanary_canary-1", ", for it is base64url, which has - and _ instead of + and /"),
    ],
)
def test_a_block_of_something_else_than_base64_is_told_when_it_is_used(body: str, damage: str) -> None:
    [block] = parse_blocks(f"-----BEGIN A-----\n{body}\n-----END A-----".encode())
    with pytest.raises(UnusableCertificate) as raised:
        _ = block.pem
    right = "store the file as it was issued"
    assert str(raised.value) == f"the block A in it holds something else than base64{damage}: {right}"
    assert "canary" not in repr(block)


@pytest.mark.parametrize(
    ("content", "length"),
    [("", None), ("30", None), ("3080", None), ("3103", None), ("3003", 5), ("30820102", 262), ("3081ff", 258)],
)
def test_der_says_how_long_it_is(content: str, length: int | None) -> None:
    assert measure_der(bytes.fromhex(content)) == length


def test_only_private_keys_in_plain_are_not_encrypted() -> None:
    for text, expected in ((LEAF.pem, False), (LEAF.encrypted(), True), (LEAF.crt, False)):
        assert parse_blocks(text.encode())[0].is_encrypted is expected


def test_blocks_are_selected_by_their_label() -> None:
    blocks = [Block(label, b"") for label in ("A", "B", "RSA PRIVATE KEY", "PRIVATE KEY")]
    assert select_blocks(blocks, "A") == blocks[:1]
    assert select_blocks(blocks, PRIVATE_KEY) == blocks[2:]


@given(
    st.binary(min_size=1), st.from_regex(r"\A[A-Z]([A-Z0-9]| (?=[A-Z])){0,20}\Z"), st.sampled_from(list(READ_BY_NONE))
)
def test_any_content_comes_through_every_form(content: bytes, label: str, form: str) -> None:
    text = write_pem(label, content).decode()
    [block] = parse_blocks(encode(READ_BY_NONE[form][0](text)))
    assert (block.label, block.content) == (label, content)
    lines = text.splitlines()
    assert base64.b64decode("".join(lines[1:-1])) == content
    assert {len(line) for line in lines[1:-2]} <= {64}
