"""YAML as Kubernetes' library of Go reads it, for what was written for it: manifests, and templates that make keys."""

from keyferry.formats.goyaml.reader import InvalidYaml, parse, parse_texts
from keyferry.formats.goyaml.scalars import write_text

__all__ = ["InvalidYaml", "parse", "parse_texts", "write_text"]
