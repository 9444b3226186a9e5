"""The script that lets Keyferry's roles into the clusters: `generated/access-entries.sh`, for any POSIX shell."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from keyferry.access import rbac
from keyferry.mapping.catalog import Catalog

_USAGE = """\
#
# Lets Keyferry's roles sign in to the clusters of one account, that of the credentials it runs with:
#   AWS_REGION=<region of the stack> sh access-entries.sh [STACK]
# Run it once for each account that has clusters. In an account without the stack, clusters without a role of their own
# need the stack's roles by name: DELIVER_ROLE_ARN=… RECONCILE_ROLE_ARN=… sh access-entries.sh
# An entry that exists already is left as it is. An entry dies with its role: where the stack was deleted and deployed
# anew, first delete the old one (aws eks delete-access-entry).
# What the groups may do there: kubectl apply -f rbac/<cluster>.yaml
"""
_FUNCTIONS = """\
set -u
stack=${1:-keyferry}
failed=0
output() {
  found=$(aws cloudformation describe-stacks --stack-name "$stack" --output text \\
    --query "Stacks[0].Outputs[?OutputKey=='$1'].OutputValue")
  case $found in
  arn:*) echo "$found" ;;
  *)
    echo "no output $1 of a stack $stack: check its name, its region (AWS_REGION) and whose credentials these are" >&2
    return 1
    ;;
  esac
}
entry() {
  if said=$(aws eks create-access-entry "$@" 2>&1); then
    echo "made: $*"
    return
  fi
  case $said in
  *ResourceInUseException*) echo "there already, left as it is: $*" ;;
  *)
    printf 'failed: %s\\n%s\\n' "$*" "$said" >&2
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
    rbac.DELIVER_OUTPUT: ("deliver", "DELIVER_ROLE_ARN"),
    rbac.RECONCILE_OUTPUT: ("reconcile", "RECONCILE_ROLE_ARN"),
}
"""Output of the stack → the script's variable that holds it, and the one that a person can set instead."""


def script(catalog: Catalog) -> str:
    """Return the script, without its first lines."""
    entries = sorted(rbac.access_entries(catalog), key=lambda entry: str(entry["account"]))
    if not entries:
        return f"{_USAGE}# There are no clusters yet.\n"
    accounts = {account: list(found) for account, found in groupby(entries, key=lambda entry: str(entry["account"]))}
    blocks = (f"{account})\n{''.join(_block(found))}  ;;\n" for account, found in accounts.items())
    return _USAGE + _FUNCTIONS + "".join(blocks) + _END.format(accounts=" ".join(accounts))


def _block(entries: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    used = {entry["principal"] for entry in entries}
    for output, (variable, given) in _ROLES.items():
        if output in used:
            yield f"  {variable}=${{{given}:-$(output {output})}} || exit 1\n"
    for entry in entries:
        principal, groups = entry["principal"], entry["kubernetesGroups"]
        who = f'"${_ROLES[principal][0]}"' if principal in _ROLES else shlex.quote(principal)
        yield (
            f"  entry --region {entry['region']} --cluster-name {entry['clusterName']} --principal-arn {who}"
            f" --username {groups[0]} --kubernetes-groups {' '.join(groups)}\n"
        )
