"""Text of others, made fit for a log line and for a terminal."""


def escape(text: str) -> str:
    r"""Return the text with each unprintable character written as a hexadecimal escape: a line end is `\x0a`.

    Line ends would forge a log line, control characters speak to the terminal, and lone surrogates have no UTF-8.
    """
    return "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in text)
