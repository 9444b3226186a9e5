"""Makes a Secret whose keys are the files of a SecretProviderClass, for pods that have files and no Secret."""

import re
from collections.abc import Mapping, Sequence

from keyferry.cli.migrate.provider_class.descriptors import File
from keyferry.cli.migrate.provider_class.objects import refuse
from keyferry.cli.migrate.provider_class.secret_objects import Secret, build_entry

_KEY = re.compile(r"[-._a-zA-Z0-9]{1,253}")
_DEFAULT_MODE = "0644"


def describe_volume(name: str) -> str:
    """Return how a pod gets the same files from a Secret."""
    return f"in the pods, put `secret: {{secretName: {name}}}` in place of `csi:` in the volume, at the same mountPath"


def build_files(name: str, files: Sequence[File], aliases: Mapping[int, str]) -> Secret:
    """Return what a mapping says of a Secret that has the files of a class as keys.

    Args:
        name: the name of the class, which the Secret gets.
        files: the files.
        aliases: the names of the sources, by the lines of their objects.

    Raises:
        Refusal: a file cannot be a key.
    """
    secret = Secret({"name": name, "data": {}}, notes=[f"I{describe_volume(name)[1:]}."])
    for file in files:
        if not _KEY.fullmatch(file.name):
            what = f"{file.name} is no key of a Secret, which has letters, digits and - _ ."
            remedy = "give the object an objectAlias of these, and read that file"
            raise refuse(what, remedy, file.line)
        secret.spec["data"][file.name] = build_entry(file, aliases)
        secret.files.append(file)
    modes = sorted({file.permission for file in files if file.permission} - {_DEFAULT_MODE})
    if modes:
        paths = ", ".join(f"{file.name} {file.permission}" for file in files if file.permission in modes)
        secret.notes.append(f"Its files have modes of their own ({paths}): write them as items[].mode of the volume.")
    return secret
