"""Carry out a delivery: observe the Secrets of one mapping on one cluster, plan what to change, and change it.

`deliver` in `keyferry.delivery.passes` is the entry point. It follows the protocol of docs/decisions/0002 and 0003.
"""
