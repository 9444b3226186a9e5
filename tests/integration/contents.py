"""What a case has in AWS: secrets and parameters by name, made before it and taken away after it."""

import base64
from typing import Any

from keyferry_local.cloud import Cloud


class Contents:
    """What a case has in AWS. Names are the case's own, so all of it is taken away again."""

    def __init__(self, cloud: Cloud, given: dict[str, Any]) -> None:
        self.secrets, self.parameters = cloud.aws.client("secretsmanager"), cloud.aws.client("ssm")
        self.given = given
        for name, secret in given.get("secretsmanager", {}).items():
            self._secret(name, **secret)
        for name, parameter in given.get("ssm", {}).items():
            self._parameter(name, **parameter)

    def _secret(self, name: str, string: str | None = None, binary_b64: str | None = None) -> None:
        if binary_b64 is not None:
            self.secrets.create_secret(Name=name, SecretBinary=base64.b64decode(binary_b64))
        else:
            self.secrets.create_secret(Name=name, SecretString=string)

    def _parameter(self, name: str, value: str, type: str) -> None:  # noqa: A002  # as the cases call it
        self.parameters.put_parameter(Name=name, Value=value, Type=type)

    def remove(self) -> None:
        """Take it all away."""
        for name in self.given.get("secretsmanager", {}):
            self.secrets.delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True)
        for name in self.given.get("ssm", {}):
            self.parameters.delete_parameter(Name=name)
