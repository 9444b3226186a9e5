#!/bin/sh
# Generated from the mappings by `keyferry generate`. Do not edit: change the mappings, and generate anew.
#
# Removes from a cluster the Roles, bindings and admission policies that were generated for it once, and no longer are:
#   kubectl --context CLUSTER apply --server-side -f clusters/CLUSTER/rbac.yaml    # first
#   sh remove-stale.sh [--dry-run] CLUSTER [CONTEXT]
# It goes by the label keyferry.dev/generated, which no Secret has, and asks for no Secrets. CONTEXT is that of
# kubectl, and CLUSTER by default. Of a stack that has left the cluster, everything: sh remove-stale.sh --all CONTEXT
# PREFIX=name goes by the prefix that the stack had before.
set -eu
usage() {
  echo "usage: sh remove-stale.sh [--dry-run] CLUSTER [CONTEXT], or --all [--dry-run] CONTEXT" >&2
  exit 2
}
dry='' all=''
while :; do
  case ${1:-} in
  --dry-run) dry=--dry-run=server ;;
  --all) all=yes ;;
  -* | '') usage ;;
  *) break ;;
  esac
  shift
done
context=${2:-$1}
file=$(dirname "$0")/clusters/$1/rbac.yaml
label=keyferry.dev/generated=${PREFIX:-keyferry}
name='{.kind} {.metadata.namespace}/{.metadata.name}{"\n"}'
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
: >"$work/generated"
if [ -z "$all" ]; then
  if [ ! -f "$file" ]; then
    echo "there is no $file: $1 is no cluster of the mappings; to remove all that was generated: --all" >&2
    exit 1
  fi
  if grep -q '^kind:' "$file"; then
    kubectl --context "$context" create --dry-run=client --validate=false -f "$file" -o jsonpath="$name" \
      >"$work/generated"
  fi
fi
for kinds in rolebindings clusterrolebindings roles clusterroles validatingadmissionpolicybindings validatingadmissionpolicies; do
  kubectl --context "$context" get "$kinds" --all-namespaces --selector "$label" \
    -o jsonpath="{range .items[*]}$name{end}" >"$work/live"
  while read -r kind place; do
    if ! grep -qxF "$kind $place" "$work/generated"; then
      kubectl --context "$context" delete ${dry:+"$dry"} "$kind" "${place##*/}" \
        --namespace "${place%/*}" </dev/null
    fi
  done <"$work/live"
done
