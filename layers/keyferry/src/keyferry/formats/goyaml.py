"""Keys and texts in YAML, as Kubernetes' Go library reads them into a map of texts."""

from keyferry.formats import jsontext, yamltext


def parse_texts(text: str) -> dict[str, str]:
    """Return the keys of a YAML document, each with its text.

    Raises:
        ValueError: it is not YAML, no mapping, or holds more than texts. The message quotes nothing of it.
    """
    document = yamltext.parse(text)
    if document is None:
        return {}
    if not isinstance(document, dict) or any(isinstance(value, dict | list) for value in document.values()):
        raise ValueError("no YAML of keys with a text each")
    return {key: "" if value is None else jsontext.to_text(value) for key, value in document.items()}
