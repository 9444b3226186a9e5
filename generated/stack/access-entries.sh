#!/bin/sh
# Generated from the mappings by `keyferry generate`. Do not edit: change the mappings, and generate anew.
#
# Lets Keyferry's roles sign in to the clusters, in the account of the credentials it runs with:
#   AWS_REGION=<region of the stack> sh access-entries.sh [STACK]
# For those clusters whose entries neither the stack (AccessEntries=true: its own account and region) nor
# accounts/<account>/member.yaml makes. Needs the AWS CLI and python3.
#
# An entry that is right is left alone. One with another user name is given the right one. One that is older than its
# role, which was deleted and made again, lets nobody in: it is made anew. Run it as often as you like.
# It ends with 0 if all entries of the account are right, and with 1 if something failed or nothing could be done.
#
# In an account without the stack, clusters without a role of their own need the stack's roles by name:
#   DELIVER_ROLE_ARN=… RECONCILE_ROLE_ARN=… [PUSH_ROLE_ARN=…] sh access-entries.sh
# What these users may do in a cluster: kubectl apply --server-side -f clusters/<cluster>/rbac.yaml
set -u
stack=${1:-keyferry}
failed=0
tab=$(printf '\t')
errors=$(mktemp) || exit 1
trap 'rm -f "$errors"' EXIT

fail() {
  printf 'failed: %s\n' "$*" >&2
  failed=1
}

# The value of an output of the stack; nothing, for one that the stack need not have.
output() {
  arn=$(aws cloudformation describe-stacks --stack-name "$stack" --output text \
    --query "Stacks[0].Outputs[?OutputKey=='$1'].OutputValue") || return 1
  case $arn in
  arn:*) echo "$arn" ;;
  *)
    [ "${2:-}" = optional ] && return
    echo "no output $1 of a stack $stack: check its name, its region (AWS_REGION) and whose credentials these are" >&2
    return 1
    ;;
  esac
}

# When a role was created. Empty, with the reason on stdout's behalf in $errors, where that cannot be seen.
role_created() {
  owner=$(echo "$1" | cut -d: -f5)
  if [ "$owner" != "$account" ]; then
    echo "the role is in account $owner" >"$errors"
    return 1
  fi
  aws iam get-role --role-name "${1##*/}" --query Role.CreateDate --output text 2>"$errors"
}

# Whether the first time is later than the second: ISO 8601, or seconds since 1970, as the CLI may print them.
is_later() {
  python3 -c '
import sys
from datetime import datetime

def parse(text):
    try:
        return float(text)
    except ValueError:
        return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()

sys.exit(0 if parse(sys.argv[1]) > parse(sys.argv[2]) else 1)
' "$1" "$2"
}

# Calls EKS: verb, region, cluster, role, and what else the verb takes.
eks() {
  verb=$1
  shift
  region_=$1 cluster_=$2 role_=$3
  shift 3
  aws eks "$verb" --region "$region_" --cluster-name "$cluster_" --principal-arn "$role_" "$@" 2>"$errors"
}

# Makes one entry right: region, cluster, role, user name.
entry() {
  what="$4 in cluster $2 ($1)"
  if ! now=$(eks describe-access-entry "$1" "$2" "$3" --query 'accessEntry.[username,createdAt]' --output text); then
    if ! grep -q ResourceNotFoundException "$errors"; then
      fail "$what: $(cat "$errors")"
    elif eks create-access-entry "$1" "$2" "$3" --username "$4" >/dev/null; then
      echo "created: $what"
    else
      fail "$what: $(cat "$errors")"
    fi
    return
  fi
  user=${now%%"$tab"*}
  created=${now#*"$tab"}
  if ! since=$(role_created "$3"); then
    if grep -q NoSuchEntity "$errors"; then
      fail "$what: there is no role $3; deploy the stack, or the role, first"
      return
    fi
    echo "not known whether the role was made again after its entry: $what: $(cat "$errors")"
    since=$created
  fi
  if is_later "$since" "$created"; then
    if eks delete-access-entry "$1" "$2" "$3" >/dev/null &&
      eks create-access-entry "$1" "$2" "$3" --username "$4" >/dev/null; then
      echo "made anew, as its role was made again after it: $what"
    else
      fail "$what: $(cat "$errors")"
    fi
  elif [ "$user" != "$4" ]; then
    if eks update-access-entry "$1" "$2" "$3" --username "$4" >/dev/null; then
      echo "given its user name in place of $user: $what"
    else
      fail "$what: $(cat "$errors")"
    fi
  else
    echo "right: $what"
  fi
}

# Account, region, cluster, role (or the output of the stack that holds its ARN) and user name of each entry.
entries=$(
  cat <<'END'

END
)
if [ -z "$entries" ]; then
  echo "no mapping goes to the clusters yet"
  exit 0
fi
account=$(aws sts get-caller-identity --query Account --output text) || exit 1
accounts=$(echo "$entries" | cut -f1 | sort -u)
own=$(echo "$entries" | grep "^$account$tab")
if [ -z "$own" ]; then
  echo "no cluster of the mappings is in account $account, whose credentials these are; they are in:" $accounts >&2
  exit 1
fi
case $own in
*DeliverRoleArn*)
  deliver=${DELIVER_ROLE_ARN:-$(output DeliverRoleArn)} || exit 1
  reconcile=${RECONCILE_ROLE_ARN:-$(output ReconcileRoleArn)} || exit 1
  # Where the roles are given, there may be no stack to ask: then the role of direct pushes is given, too, or left out.
  push=${PUSH_ROLE_ARN:-}
  [ -n "$push" ] || [ -n "${DELIVER_ROLE_ARN:-}" ] || push=$(output PushRoleArn optional) || exit 1
  ;;
esac
while IFS=$tab read -r _ region cluster principal username; do
  case $principal in
  DeliverRoleArn) principal=$deliver ;;
  ReconcileRoleArn) principal=$reconcile ;;
  PushRoleArn) principal=$push ;;
  esac
  [ -z "$principal" ] || entry "$region" "$cluster" "$principal" "$username"
done <<EOF
$own
EOF
for other in $accounts; do
  [ "$other" = "$account" ] || echo "still to do: account $other; run this again with its credentials" >&2
done
exit $failed
