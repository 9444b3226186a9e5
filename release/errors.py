"""Why no release is made."""


class Refused(Exception):
    """Something has to be put right before; the text says what, and where. Nothing was changed."""
