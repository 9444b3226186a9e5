"""What the operator makes of an ExternalSecret: its steps in its own order, each of them by Go's libraries.

Facts: GetProviderSecretData of pkg/controllers/externalsecret/externalsecret_controller_secret.go, and ApplyTemplate of
externalsecret_controller_template.go.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from tests.oracle.ask import Answer, Oracle

_KEY = re.compile(r"[-._a-zA-Z0-9]{1,253}\Z")


class Failed(Exception):
    """The operator, or the API server, makes no Secret of it."""


class Random(Exception):
    """What the operator makes depends on the random order of its maps."""


class Missing(Failed):
    """A secret is not there."""


def reconcile(spec: Mapping[str, Any], secrets: Mapping[str, bytes], oracle: Oracle) -> dict[str, bytes] | None:
    """Return the data of the Secret that an ExternalSecret makes of some secrets; None where it writes none.

    Raises:
        Failed: it makes none, and that is an error.
        Random: it makes another one each time.
    """
    controller, target = _Controller(secrets, oracle), spec.get("target", {})
    policy = target.get("deletionPolicy", "Retain")
    fetched: dict[str, bytes] = {}
    for part in spec.get("dataFrom", ()):
        with _leave_out(policy):
            fetched |= controller.extract(part)
    for entry in spec.get("data", ()):
        ref = entry["remoteRef"]
        with _leave_out(policy):
            fetched[entry["secretKey"]] = controller.decode(ref.get("decodingStrategy", "None"), controller.fetch(ref))
    if not fetched and policy != "Merge":
        return None
    data = controller.apply_template(target.get("template"), fetched)
    if not all(map(_KEY.match, data)):
        raise Failed("a key that no Secret has")
    return data


@contextmanager
def _leave_out(policy: str) -> Iterator[None]:
    """Go on without a secret that is missing, where the deletion policy is not Retain."""
    try:
        yield
    except Missing:
        if policy == "Retain":
            raise


class _Controller:
    def __init__(self, secrets: Mapping[str, bytes], oracle: Oracle) -> None:
        self._secrets, self._oracle = secrets, oracle

    def _ask(self, question: str, **said: Any) -> Answer:  # noqa: ANN401  # as Oracle.ask
        answer = self._oracle.ask(question, **said)
        if answer.error:
            raise Failed(answer.error)
        return answer

    def fetch(self, ref: Mapping[str, str]) -> bytes:
        """Return what a reference takes."""
        content = self._secrets.get(ref["key"])
        if content is None:
            raise Missing(ref["key"])
        if "property" not in ref:
            return content
        found = self._ask("property", text=content, path=ref["property"])
        if not found.exists:
            raise Failed("no such property")
        return found.text

    def decode(self, strategy: str, content: bytes) -> bytes:
        """Return a decoded value."""
        return self._ask("decode", strategy=strategy, text=content).text

    def extract(self, part: Mapping[str, Any]) -> dict[str, bytes]:
        """Return the keys of a part of `dataFrom`."""
        ref = part["extract"]
        data = dict(self._ask("extract", text=self.fetch(ref)).values)
        for step in part.get("rewrite", ()):
            data = self._rewrite(step, data)
        if "rewrite" not in part:
            keys = list(data)
            strategy = ref.get("conversionStrategy", "Default")
            new = self._ask("convert", strategy=strategy, keys=keys).keys if keys else ()
            if len(set(new)) < len(keys):
                raise Failed("a collision")
            data = dict(zip(new, data.values(), strict=True))
        for key in data:
            if len(key.encode()) > 253 or not all(sign.isalpha() or sign.isnumeric() or sign in "-._" for sign in key):
                raise Failed("a key that is none")
        return {key: self.decode(ref.get("decodingStrategy", "None"), value) for key, value in data.items() if key}

    def _rewrite(self, step: Mapping[str, Any], data: dict[str, bytes]) -> dict[str, bytes]:
        if "merge" in step:
            return dict(self._merge(step["merge"], data).values)
        keys = list(data)
        if "regexp" in step:
            new: Sequence[str] = self._ask("regexp", **step["regexp"], keys=keys).keys
        else:
            template = step["transform"]["template"]
            new = [self._ask("transform", template=template, text=key).text.decode() for key in keys]
        if len(set(new)) < len(keys):
            raise Random
        return dict(zip(new, data.values(), strict=True))

    def _merge(self, merge: Mapping[str, Any], data: dict[str, bytes]) -> Answer:
        return self._ask(
            "merge",
            values=data,
            keys=merge.get("priority", []),
            strategy=merge.get("conflictPolicy", "Error"),
            source=merge.get("priorityPolicy", "Strict"),
            target=merge["into"] if merge.get("strategy") == "JSON" else "",
        )

    def apply_template(self, template: Mapping[str, Any] | None, fetched: dict[str, bytes]) -> dict[str, bytes]:
        """Return the data of the Secret."""
        if template is None:
            return fetched
        has_templates = "data" in template or "templateFrom" in template
        data = dict(fetched) if template.get("mergePolicy") == "Merge" or not has_templates else {}
        for part in template.get("templateFrom", ()):
            made = self._ask("template", template=part["literal"], values=fetched).text
            data |= self._ask("keysAndValues", text=made).values
        for key, text in template.get("data", {}).items():
            data[key] = self._ask("template", template=text, values=fetched).text
        return data
