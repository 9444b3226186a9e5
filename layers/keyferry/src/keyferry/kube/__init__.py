"""One cluster's API server, through the `kubernetes` client."""

from keyferry.kube.client import KubeClient
from keyferry.kube.connection import Connection

__all__ = ["Connection", "KubeClient"]
