"""Take the blocks out of a PEM text (RFC 7468), in a time that is linear in its length."""

import re
from bisect import bisect
from collections import defaultdict

PRIVATE_KEY = "PRIVATE KEY"
"""The end of the label of every type of private key."""
_BEGIN = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----")
_END = re.compile(rb"-----END ([A-Z0-9 ]+)-----")


def extract_blocks(text: bytes, label: str) -> list[bytes]:
    """Return the PEM blocks of a text that have a label, each with a newline at its end.

    Args:
        text: the PEM text.
        label: what follows `BEGIN`, such as `CERTIFICATE`. `PRIVATE KEY` stands for every type of private key.
    """
    has_label = str.endswith if label == PRIVATE_KEY else str.__eq__
    ends: defaultdict[bytes, list[int]] = defaultdict(list)
    for end in _END.finditer(text):
        ends[end[1]].append(end.end())
    blocks, position = [], 0
    for begin in _BEGIN.finditer(text):
        after = ends.get(begin[1], [])
        number = bisect(after, begin.end())
        if begin.start() >= position and number < len(after):
            position = after[number]
            if has_label(begin[1].decode(), label):
                blocks.append(text[begin.start() : position] + b"\n")
    return blocks
