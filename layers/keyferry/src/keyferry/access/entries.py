"""Generate the EKS access entries that let Keyferry's roles into the clusters, and the shell script that creates them.

The script is `generated/access-entries.sh`. It runs in any POSIX shell.
"""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from keyferry.identity import Identity
from keyferry.mapping.catalog import Catalog
from keyferry.mapping.targets import Cluster

DELIVER_OUTPUT, RECONCILE_OUTPUT = "DeliverRoleArn", "ReconcileRoleArn"
"""The outputs of the stack that hold the ARNs of the functions' roles."""

_USAGE = """\
#
# Lets Keyferry's roles sign in to the clusters of one account, that of the credentials it runs with:
#   AWS_REGION=<region of the stack> sh access-entries.sh [STACK]
# Run it once for each account that has clusters. In an account without the stack, clusters without a role of their own
# need the stack's roles by name: DELIVER_ROLE_ARN=… RECONCILE_ROLE_ARN=… sh access-entries.sh
# An entry that exists already is left as it is. An entry dies with its role: where the stack was deleted and deployed
# anew, first delete the old one (aws eks delete-access-entry).
# What these users may do there: kubectl apply -f clusters/<cluster>/rbac.yaml
"""
_FUNCTIONS = """\
set -u
stack=${1:-keyferry}
failed=0
output() {
  arn=$(aws cloudformation describe-stacks --stack-name "$stack" --output text \\
    --query "Stacks[0].Outputs[?OutputKey=='$1'].OutputValue")
  case $arn in
  arn:*) echo "$arn" ;;
  *)
    echo "no output $1 of a stack $stack: check its name, its region (AWS_REGION) and whose credentials these are" >&2
    return 1
    ;;
  esac
}
entry() {
  if message=$(aws eks create-access-entry "$@" 2>&1); then
    echo "created: $*"
    return
  fi
  case $message in
  *ResourceInUseException*) echo "exists already, left as it is: $*" ;;
  *)
    printf 'failed: %s\\n%s\\n' "$*" "$message" >&2
    failed=1
    ;;
  esac
}
account=$(aws sts get-caller-identity --query Account --output text) || exit 1
case $account in
"""
_END = """\
*)
  echo "no cluster of the mappings is in account $account, whose credentials these are; they are in: {accounts}" >&2
  exit 1
  ;;
esac
for other in {accounts}; do
  [ "$other" = "$account" ] || echo "still to do: account $other; run this again with its credentials" >&2
done
exit $failed
"""
_ROLES = {
    DELIVER_OUTPUT: ("deliver", "DELIVER_ROLE_ARN"),
    RECONCILE_OUTPUT: ("reconcile", "RECONCILE_ROLE_ARN"),
}
"""Output of the stack → the script's variable for its value, and the environment variable to set instead of it."""


def list_access_entries(catalog: Catalog) -> list[dict[str, Any]]:
    """Return the access entries of all clusters: cluster, principal and Kubernetes user.

    The principal is the cluster's role, which both functions assume, or the output of the stack that holds the ARN of
    the function's own role.
    """
    return [
        {
            "cluster": cluster.name,
            "clusterName": cluster.eks.name,
            "region": cluster.eks.region,
            "account": cluster.eks.account,
            "principal": principal,
            "username": user,
        }
        for cluster in catalog.clusters.values()
        for principal, user in _list_principals(cluster, catalog.stack.identity)
    ]


def _list_principals(cluster: Cluster, identity: Identity) -> list[tuple[str, str]]:
    """Return the principals of a cluster, each with the Kubernetes user that it signs in as."""
    if cluster.role:  # EKS allows a role only one access entry in a cluster; deliver may do all that reconcile may
        return [(cluster.role, identity.deliver)]
    return [(DELIVER_OUTPUT, identity.deliver), (RECONCILE_OUTPUT, identity.reconcile)]


def build_script(catalog: Catalog) -> str:
    """Return the script that creates the access entries, without its first two lines (`#!` and the note on top)."""
    entries = sorted(list_access_entries(catalog), key=_get_account)
    if not entries:
        return f"{_USAGE}# There are no clusters yet.\n"
    entries_by_account = {account: list(group) for account, group in groupby(entries, key=_get_account)}
    blocks = (f"{account})\n{''.join(_list_commands(group))}  ;;\n" for account, group in entries_by_account.items())
    return _USAGE + _FUNCTIONS + "".join(blocks) + _END.format(accounts=" ".join(entries_by_account))


def _get_account(entry: Mapping[str, Any]) -> str:
    return str(entry["account"])


def _list_commands(entries: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield the lines of the script for the clusters of one account."""
    principals = {entry["principal"] for entry in entries}
    for output, (variable, override) in _ROLES.items():
        if output in principals:
            yield f"  {variable}=${{{override}:-$(output {output})}} || exit 1\n"
    for entry in entries:
        principal = entry["principal"]
        arn = f'"${_ROLES[principal][0]}"' if principal in _ROLES else shlex.quote(principal)
        yield (
            f"  entry --region {entry['region']} --cluster-name {entry['clusterName']} --principal-arn {arn}"
            f" --username {entry['username']}\n"
        )
