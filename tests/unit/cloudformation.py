"""What CloudFormation makes of a generated template in some account and region."""

import re
from dataclasses import dataclass, field
from typing import Any

NO_VALUE = object()


@dataclass
class Deployment:
    """A template that is deployed somewhere."""

    account: str
    region: str
    parameters: dict[str, str] = field(default_factory=dict)

    def resources(self, template: dict[str, Any], kind: str) -> dict[str, Any]:
        """Return logical id → properties of the resources of a type that are made, with nothing left to resolve."""
        self.template = template
        return {
            name: self.resolve(resource["Properties"])
            for name, resource in template["Resources"].items()
            if resource["Type"] == kind and ("Condition" not in resource or self.holds(resource["Condition"]))
        }

    def holds(self, condition: str) -> bool:
        """Return whether a condition of the template holds here."""
        return bool(self.resolve(self.template["Conditions"][condition]))

    def resolve(self, value: Any) -> Any:  # noqa: ANN401
        """Return a value with the functions of CloudFormation in it carried out."""
        match value:
            case {"Ref": str(name)}:
                return self._refer(name)
            case {"Fn::Sub": str(text)}:
                return re.sub(r"\$\{([^}]+)\}", lambda match: self._refer(match[1]), text)
            case {"Fn::GetAtt": [name, attribute]}:
                return f"{name}.{attribute}"
            case {"Condition": str(name)}:
                return self.holds(name)
            case dict() if len(value) == 1 and next(iter(value)).startswith("Fn::"):
                return self._decide(value)
            case dict():
                parts = {key: self.resolve(part) for key, part in value.items()}
                return {key: part for key, part in parts.items() if part is not NO_VALUE}
            case list():
                return [part for part in map(self.resolve, value) if part is not NO_VALUE]
        return value

    def _decide(self, value: dict[str, Any]) -> Any:  # noqa: ANN401
        match value:
            case {"Fn::Equals": [a, b]}:
                return self.resolve(a) == self.resolve(b)
            case {"Fn::And": parts}:
                return all(map(self.resolve, parts))
            case {"Fn::Or": parts}:
                return any(map(self.resolve, parts))
            case {"Fn::Join": [between, parts]}:
                resolved = self.resolve(parts)
                return between.join(resolved) if isinstance(resolved, list) else resolved  # a list that is a parameter
            case {"Fn::FindInMap": [table, key, name]}:
                return self.template["Mappings"][table][self.resolve(key)][name]
            case {"Fn::Not": [part]}:
                return not self.resolve(part)
            case {"Fn::If": [condition, a, b]}:
                return self.resolve(a if self.holds(condition) else b)
        raise NotImplementedError(next(iter(value)))

    def _refer(self, name: str) -> Any:  # noqa: ANN401
        if name == "AWS::NoValue":
            return NO_VALUE
        if name in self.template["Resources"]:
            return name
        pseudo = {"AWS::AccountId": self.account, "AWS::Region": self.region, "AWS::Partition": "aws"}
        pseudo["AWS::URLSuffix"] = "amazonaws.com"
        parameters = self.template.get("Parameters", {})
        given = {key: parameter["Default"] for key, parameter in parameters.items() if "Default" in parameter}
        return (given | self.parameters | pseudo)[name]
