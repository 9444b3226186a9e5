"""A client for the API server of one cluster, on top of the `kubernetes` package."""

from keyferry.kube.client import KubeClient
from keyferry.kube.connection import Connection
from keyferry.kube.health import Health
from keyferry.kube.proxies import choose_proxy
from keyferry.kube.transport import Transport

__all__ = ["Connection", "Health", "KubeClient", "Transport", "choose_proxy"]
