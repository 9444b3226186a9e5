"""What the CSI driver and its AWS provider make of a SecretProviderClass, and random classes.

Facts: getJsonSecrets of provider/secret_value.go, getPath of secret_descriptor.go, and GetSecretData of the driver's
pkg/util/secretutil/secret.go.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import yaml
from hypothesis import strategies as st

from tests.oracle.ask import Oracle
from tests.oracle.controller import Failed
from tests.oracle.manifests import SECRETS

_PATHS = st.sampled_from(
    (
        *("a", "b", "user", '"tls.crt"', '"api-key"', "a", "b", "user", "a.x", "[0]", "user || a", "not_null(a, user)"),
        *("to_string(a)", "join('-', [user, user])", "missing", "{x: a}.x", "a | @", "to_string(@)", "length(user)"),
    )
)
_NAMES = st.sampled_from(("a", "b", "u.txt", "sub/file"))
_entries = st.dictionaries(_NAMES, _PATHS, min_size=1, max_size=3).map(
    lambda paths: [{"path": path, "objectAlias": alias} for alias, path in paths.items()]
)
_objects = st.lists(
    st.fixed_dictionaries(
        {"objectName": st.sampled_from(SECRETS), "objectType": st.just("secretsmanager")},
        optional={"objectAlias": st.sampled_from(("whole", "w/2", "a")), "jmesPath": _entries},
    ),
    min_size=1,
    max_size=2,
)
_anywhere = st.sampled_from(("a", "b", "u.txt", "sub_file", "whole", "w_2", "shop_a", "shop/b"))


def _list_names(objects: Sequence[Mapping[str, Any]]) -> list[str]:
    aliases = [each.get("objectAlias", each["objectName"]) for each in objects]
    aliases += [entry["objectAlias"] for each in objects for entry in each.get("jmesPath", ())]
    return [alias.replace("/", "_") for alias in aliases]


def _draw_class(objects: list[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    names, keys = st.sampled_from(_list_names(objects)), st.sampled_from(("a", "b", "password"))
    pairs = st.dictionaries(keys, names | names | names | _anywhere, min_size=1, max_size=2)
    data = pairs.map(lambda drawn: [{"objectName": name, "key": key} for key, name in drawn.items()])
    return st.fixed_dictionaries({"objects": st.just(objects), "data": data})


classes: st.SearchStrategy[dict[str, Any]] = _objects.flatmap(_draw_class)


def write(drawn: Mapping[str, Any]) -> dict[str, Any]:
    """Return the manifest of a class."""
    target = {"secretName": "db", "type": "Opaque", "data": drawn["data"]}
    return {
        "apiVersion": "secrets-store.csi.x-k8s.io/v1",
        "kind": "SecretProviderClass",
        "metadata": {"name": "db", "namespace": "shop"},
        "spec": {
            "provider": "aws",
            "parameters": {"objects": yaml.safe_dump(drawn["objects"])},
            "secretObjects": [target],
        },
    }


def mount(drawn: Mapping[str, Any], secrets: Mapping[str, bytes], oracle: Oracle) -> dict[str, bytes]:
    """Return the data of the Secret that a class makes while a pod mounts it.

    An object of which the Secret has nothing is not read: that a mount fails for it, and no mapping does, is stated.

    Raises:
        Failed: the mount fails, or the driver makes no Secret.
    """
    wanted, files = {each["objectName"] for each in drawn["data"]}, dict[str, bytes]()
    for each in drawn["objects"]:
        content, paths = secrets[each["objectName"]], {each.get("objectAlias", each["objectName"]): ""}
        for entry in each.get("jmesPath", ()):
            if entry["objectAlias"] in paths:
                raise Failed("a name is in use")
            paths[entry["objectAlias"]] = entry["path"]
        names = {name.replace("/", "_"): path for name, path in paths.items()}
        if len(names) < len(paths) or names.keys() & files.keys():
            raise Failed("a name is in use")
        is_read = bool(wanted & names.keys())
        files |= {name: _search(path, content, oracle) if path and is_read else content for name, path in names.items()}
    return _collect(drawn["data"], files)


def _search(path: str, content: bytes, oracle: Oracle) -> bytes:
    found = oracle.ask("jmespath", text=content, path=path)
    if found.error or found.kind != "string":
        raise Failed(found.error or "no text")
    return str(json.loads(found.text)).encode(errors="replace")


def _collect(data: Sequence[Mapping[str, str]], files: Mapping[str, bytes]) -> dict[str, bytes]:
    missing = [each["objectName"] for each in data if each["objectName"] not in files]
    if missing:
        raise Failed(f"no file {missing[0]}")
    return {each["key"]: files[each["objectName"]] for each in data}
