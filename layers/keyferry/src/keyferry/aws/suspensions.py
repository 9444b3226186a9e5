"""Read, put and delete the suspensions of a stack: parameters of the type String below its own path.

They are read by one call for each ten of them, in no order (GetParametersByPath). IAM takes the path for the resource,
as it is asked for (Restricting access to Parameter Store parameters using IAM policies).
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from keyferry.aws.errors import translate_errors
from keyferry.errors import SourceUnavailable
from keyferry.pipeline.suspensions import Suspension, Suspensions

if TYPE_CHECKING:
    from mypy_boto3_ssm import SSMClient


@dataclass(frozen=True)
class SuspensionStore:
    """The suspensions of a stack, in Parameter Store. The functions raise as `translate_errors` says."""

    client: "SSMClient"
    path: str
    """`/keyferry/STACK/suspended`."""

    def read(self) -> Suspensions:
        """Return all suspensions, those that are over too."""
        with translate_errors(f"ssm:GetParametersByPath on {self.path}"):
            pages = self.client.get_paginator("get_parameters_by_path").paginate(Path=self.path, Recursive=True)
            return Suspensions.parse(
                {
                    parameter["Name"].removeprefix(f"{self.path}/"): parameter["Value"]
                    for page in pages
                    for parameter in page["Parameters"]
                }
            )

    def put(self, suspension: Suspension) -> None:
        """Put a suspension in the place of one of the same scope."""
        name = f"{self.path}/{suspension.name}"
        with translate_errors(f"ssm:PutParameter on {name}"):
            self.client.put_parameter(Name=name, Value=suspension.to_value(), Type="String", Overwrite=True)

    def delete(self, suspension: Suspension) -> None:
        """Delete a suspension. One that is gone by now is no error."""
        name = f"{self.path}/{suspension.name}"
        try:
            with translate_errors(f"ssm:DeleteParameter on {name}"):
                self.client.delete_parameter(Name=name)
        except SourceUnavailable:
            return
