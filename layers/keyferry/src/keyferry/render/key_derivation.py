"""How often a password is hashed to open an encrypted key or a PKCS#12 file: the file says so, up to two billion times.

The libraries do what the file says, so it is read before they are asked. The parameters are those of PBKDF2 and PBES1
(RFC 8018, A.2 and A.3), of PKCS#12 (RFC 7292, 4 and C) and of scrypt (RFC 7914, 7): a salt, then numbers. The encoding
is BER (X.690), of which some tools write more than DER has.
"""

import math
from dataclasses import dataclass

from keyferry.budget import Budget, OverBudget

MAX_ROUNDS = 2_000_000
"""Tools write 2,048 to 600,000, for up to three passwords of a file. A million take about 0.3 s."""
_MAX_ELEMENTS = 50_000
_INTEGER, _OCTETS, _SEQUENCE, _CONSTRUCTED = 0x02, 0x04, 0x30, 0x20
_MAX_DEPTH = 40


@dataclass(frozen=True)
class _Element:
    """An element of BER."""

    tag: int
    content: bytes
    children: tuple["_Element", ...] = ()


def is_costly(content: bytes) -> bool:
    """Return whether it takes more than MAX_ROUNDS to open a file, or the file is too complex to say.

    Args:
        content: the file, in BER. In one that is none, nothing can be found to count.
    """
    return count_rounds(content) > MAX_ROUNDS


def count_rounds(content: bytes) -> int:
    """Return how often a password is hashed to open a file; more than MAX_ROUNDS if it is too complex to say."""
    try:
        elements, _ = _parse(content, 0, Budget(_MAX_ELEMENTS), 0)
        return sum(_count_rounds(element) for element in elements)
    except OverBudget:
        return MAX_ROUNDS + 1


def _count_rounds(element: _Element) -> int:
    """Return the rounds that an element and its children ask for."""
    rounds = sum(map(_count_rounds, element.children))
    tags = [child.tag for child in element.children]
    if element.tag != _SEQUENCE or not (tags[:1] == [_OCTETS] or tags[:2] == [_SEQUENCE, _OCTETS]):  # no salt
        return rounds
    numbers = [int.from_bytes(child.content[:16]) for child in element.children if child.tag == _INTEGER]
    if len(numbers) > 2:  # N, r and p of scrypt
        return rounds + math.prod(numbers[:3])
    # Iterations, and of PBKDF2 the length of the key in bytes, of which each round makes 32.
    return rounds + sum(numbers[:1]) * max([1, *(number // 32 for number in numbers[1:])])


def _parse(content: bytes, start: int, budget: Budget, depth: int) -> tuple[list[_Element], int]:
    """Return the elements from a position on, to the end or to the mark that ends them, and the position after that.

    What is no BER ends them too: the rest is encrypted, or nothing that a library could open.
    """
    elements: list[_Element] = []
    while start + 2 <= len(content) and content[start : start + 2] != b"\0\0":
        budget.spend(1 if depth < _MAX_DEPTH else _MAX_ELEMENTS)
        tag, begin, length = _parse_header(content, start)
        if length is None:  # a mark ends it
            children, start = _parse(content, begin, budget, depth + 1)
            elements.append(_build_element(tag, b"", children, budget, depth))
            continue
        start = begin + length
        if start > len(content):
            break
        inner = content[begin:start]
        children = _parse(inner, 0, budget, depth + 1)[0] if tag & _CONSTRUCTED or tag == _OCTETS else []
        elements.append(_build_element(tag, inner, children, budget, depth))
    return elements, start + 2


def _build_element(tag: int, content: bytes, children: list[_Element], budget: Budget, depth: int) -> _Element:
    """Return an element. Text that is in pieces is put together, and parsed as one."""
    if tag == _OCTETS | _CONSTRUCTED:
        content = b"".join(child.content for child in children)
        children = _parse(content, 0, budget, depth + 1)[0]
        tag = _OCTETS
    return _Element(tag, content, tuple(children))


def _parse_header(content: bytes, start: int) -> tuple[int, int, int | None]:
    """Return the tag of an element, where its content begins, and its length; None for one that a mark ends."""
    tag, position = content[start], start + 1
    if tag & 0x1F == 0x1F:  # a tag of several bytes
        while content[position : position + 1] >= b"\x80":
            position += 1
        position += 1
    first = content[position] if position < len(content) else 0
    if first == 0x80:
        return tag, position + 1, None
    if first < 0x80:
        return tag, position + 1, first
    begin = position + 1 + (first & 0x7F)
    return tag, begin, int.from_bytes(content[position + 1 : begin])
