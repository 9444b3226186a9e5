#!/bin/sh
# Generated from the mappings by `keyferry generate`. Do not edit: change the mappings, and generate anew.
#
# Lets Keyferry's roles sign in to the clusters: sh access-entries.sh [STACK]
# An entry that exists already is reported and left as it is. An entry dies with its role: where the stack was deleted
# and deployed anew, first delete the old one (aws eks delete-access-entry).
# What the groups may do there: kubectl apply -f rbac/<cluster>.yaml
set -u
output() {
  aws cloudformation describe-stacks --stack-name "$1" --output text \
    --query "Stacks[0].Outputs[?OutputKey=='$2'].OutputValue"
}
# There are no clusters yet.
