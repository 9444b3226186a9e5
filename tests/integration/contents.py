"""What a case has in AWS: secrets and parameters by name, made before it and taken away after it."""

import base64
from typing import Any

from keyferry_local.cloud import Cloud


class Contents:
    """What a case has in AWS. Names are the case's own, so all of it is taken away again."""

    def __init__(self, cloud: Cloud, given: dict[str, Any], region: str | None = None) -> None:
        """Make it all.

        Args:
            cloud: where.
            given: what the case has.
            region: the region; None for that of the stack.
        """
        self.secrets = cloud.aws.client("secretsmanager", region=region)
        self.parameters = cloud.aws.client("ssm", region=region)
        self.given = given
        for name, secret in given.get("secretsmanager", {}).items():
            self._secret(name, **secret)
        for name, parameter in given.get("ssm", {}).items():
            self._parameter(name, **parameter)

    def _secret(
        self,
        name: str,
        *,
        string: str | None = None,
        binary_b64: str | None = None,
        versionId: str | None = None,  # noqa: N803  # as the cases call it
        stages: dict[str, dict[str, Any]] | None = None,
        tags: dict[str, str] | None = None,
    ) -> None:
        """Make a secret; what has a staging label is put first, so that AWSPREVIOUS is what it is in AWS."""
        others = list((stages or {}).items())
        previous = [each for label, each in others if label == "AWSPREVIOUS"]
        current = {"string": string, "binary_b64": binary_b64, "versionId": versionId}
        first, *rest = [*previous, current]
        self.secrets.create_secret(Name=name, Tags=_list_tags(tags), **_value(**first))
        for each in rest:
            self.secrets.put_secret_value(SecretId=name, **_value(**each))
        for label, each in others:
            if label != "AWSPREVIOUS":
                self.secrets.put_secret_value(SecretId=name, VersionStages=[label], **_value(**each))

    def _parameter(
        self,
        name: str,
        *,
        value: str,
        type: str = "SecureString",  # noqa: A002  # as the cases call it
        versions: list[str] | None = None,
        labels: dict[str, int] | None = None,
        tags: dict[str, str] | None = None,
    ) -> None:
        for each in [*(versions or ()), value]:
            self.parameters.put_parameter(Name=name, Value=each, Type=type, Overwrite=True)
        for label, version in (labels or {}).items():
            self.parameters.label_parameter_version(Name=name, ParameterVersion=version, Labels=[label])
        if tags:
            kind = "Parameter"
            self.parameters.add_tags_to_resource(ResourceType=kind, ResourceId=name, Tags=_list_tags(tags))

    def remove(self) -> None:
        """Take it all away."""
        for name in self.given.get("secretsmanager", {}):
            self.secrets.delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True)
        for name in self.given.get("ssm", {}):
            self.parameters.delete_parameter(Name=name)


def _value(
    string: str | None = None,
    binary_b64: str | None = None,
    versionId: str | None = None,  # noqa: N803
) -> dict[str, Any]:
    """Return the value of a version, as Secrets Manager takes it."""
    token = {"ClientRequestToken": versionId} if versionId else {}
    if binary_b64 is not None:
        return token | {"SecretBinary": base64.b64decode(binary_b64)}
    return token | {"SecretString": string}


def _list_tags(tags: dict[str, str] | None) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in (tags or {}).items()]
