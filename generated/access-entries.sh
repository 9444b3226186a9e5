#!/bin/sh
# Generated from the mappings by `keyferry generate`. Do not edit: change the mappings, and generate anew.
#
# Lets Keyferry's roles sign in to the clusters of one account, that of the credentials it runs with:
#   AWS_REGION=<region of the stack> sh access-entries.sh [STACK]
# Run it once for each account that has clusters. In an account without the stack, clusters without a role of their own
# need the stack's roles by name: DELIVER_ROLE_ARN=… RECONCILE_ROLE_ARN=… sh access-entries.sh
# An entry that exists already is left as it is. An entry dies with its role: where the stack was deleted and deployed
# anew, first delete the old one (aws eks delete-access-entry).
# What these users may do there: kubectl apply -f clusters/<cluster>/rbac.yaml
# There are no clusters yet.
