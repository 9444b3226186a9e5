"""Generate the shell script that removes from a cluster what is no longer generated for it.

The script is `generated/clusters/<cluster>/remove-stale.sh`. It runs in any POSIX shell, with kubectl.
"""

from keyferry.identity import GENERATED_LABEL, Identity

_KINDS = (
    "rolebindings",
    "clusterrolebindings",
    "roles",
    "clusterroles",
    "validatingadmissionpolicybindings",
    "validatingadmissionpolicies",
)
"""What is generated, in the order of removal: what allows goes before what limits. No Secret is ever looked at."""

_SCRIPT = """\
#
# Removes from cluster {cluster} the Roles, bindings and admission policies that were generated for it once, and no
# longer are:
#   kubectl --context {cluster} apply --server-side -f rbac.yaml    # first
#   sh remove-stale.sh [--dry-run] [CONTEXT]
# It goes by the label {label}, which no Secret has, and asks for no Secrets. CONTEXT is that of
# kubectl, and {cluster} by default.
set -eu
dry=''
if [ "${{1:-}}" = --dry-run ]; then
  dry=--dry-run=server
  shift
fi
case $#:${{1:-}} in
0: | 1:[!-]*) ;;
*)
  echo "usage: sh remove-stale.sh [--dry-run] [CONTEXT]" >&2
  exit 2
  ;;
esac
context=${{1:-{cluster}}}
label={label}={prefix}
name='{{.kind}} {{.metadata.namespace}}/{{.metadata.name}}{{"\\n"}}'
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
kubectl --context "$context" create --dry-run=client --validate=false -f "$(dirname "$0")/rbac.yaml" \\
  -o jsonpath="$name" >"$work/generated"
for kinds in {kinds}; do
  kubectl --context "$context" get "$kinds" --all-namespaces --selector "$label" \\
    -o jsonpath="{{range .items[*]}}$name{{end}}" >"$work/live"
  while read -r kind place; do
    if ! grep -qxF "$kind $place" "$work/generated"; then
      kubectl --context "$context" delete ${{dry:+"$dry"}} "$kind" "${{place##*/}}" \\
        --namespace "${{place%/*}}" </dev/null
    fi
  done <"$work/live"
done
"""


def build_script(identity: Identity, cluster: str) -> str:
    """Return the script of a cluster, without its first two lines (`#!` and the note on top)."""
    return _SCRIPT.format(label=GENERATED_LABEL, prefix=identity.prefix, kinds=" ".join(_KINDS), cluster=cluster)
