"""The stack of the roles of workflows, whose template `keyferry init` writes: it is deleted before Keyferry's stack."""

from collections.abc import Mapping
from typing import Any

from keyferry.cli.stack import describe_stack
from keyferry.cli.uninstall.removal import Removal, Step, delete_by_cloudformation
from keyferry.errors import KeyferryError

_PROVIDER = (
    "where it has made the account's OIDC provider of GitHub, and its template does not keep that (DeletionPolicy),"
    " other repositories and environments cannot sign in any more"
)


def name_stack(prefix: str) -> str:
    """Return the name that README.md of `keyferry init` gives to the stack."""
    return f"github-{prefix}"


def name_look_role(prefix: str) -> str:
    """Return the name of its role that has a policy of Keyferry's stack."""
    return f"{name_stack(prefix)}-look"


def plan_workflows(client: Any, prefix: str, region: str) -> Removal:  # noqa: ANN401  # one of boto3's generated classes
    """Return the step that deletes the stack, if it is there.

    Args:
        client: a client of CloudFormation in the region.
        prefix: the prefix of Keyferry's stack.
        region: the region of both.
    """
    name = name_stack(prefix)
    try:
        described = describe_stack(client, name)
    except KeyferryError as error:
        removal = plan_unseen_workflows(prefix, region)
        removal.notes.append(f"whether there is a stack {name} in {region} is not known: {error}")
        return removal
    return Removal(steps=[_build_step(name, region, described)]) if described else Removal()


def plan_unseen_workflows(prefix: str, region: str | None) -> Removal:
    """Return the step that deletes the stack where nobody can see whether it is there."""
    return Removal(steps=[_build_step(name_stack(prefix), region, None)])


def _build_step(name: str, region: str | None, described: Mapping[str, Any] | None) -> Step:
    """Return the step.

    Args:
        name: the name of the stack.
        region: its region; None for that of the credentials.
        described: what CloudFormation says of it; None where that is not known.
    """
    parameters = (described or {}).get("Parameters", ())
    given = {each["ParameterKey"]: each["ParameterValue"] for each in parameters}
    has_provider = described is None or given.get("CreateProvider") == "true"
    doubt = "" if described else ", where it was deployed"
    what = f"stack {name}{doubt}: the roles of GitHub's workflows, which have a policy of the stack"
    return Step(what, delete_by_cloudformation(name, region), [_PROVIDER] if has_provider else [])
