"""Read a kubeconfig as kubectl does, and sign in to a cluster by one of its contexts: by the `kubernetes` package.

Its loader knows files in `KUBECONFIG`, certificates, tokens and programs that give them, such as `aws eks get-token`.
The code layer leaves it out: no function has a kubeconfig.
"""

import logging
import shlex
import ssl
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml
from kubernetes.client import Configuration
from kubernetes.config.kube_config import KubeConfigLoader, KubeConfigMerger

from keyferry.cli.clusters.contexts import Context
from keyferry.errors import InvalidInput
from keyferry.kube import Connection, Transport, choose_proxy
from keyferry.kube.transport import create_context
from keyferry.mapping.targets import Endpoint

CONCURRENCY = 8
"""How many requests one cluster is sent at once."""
_DEFAULT_PATH = "~/.kube/config"


@dataclass(frozen=True)
class Kubeconfig:
    """The kubeconfig of the person who runs a command: one file, or several that are merged."""

    paths: str
    """As `KUBECONFIG` has them."""
    environment: Mapping[str, str]
    """The environment variables, with those of a proxy."""

    @classmethod
    def find(cls, environment: Mapping[str, str]) -> "Kubeconfig":
        """Return the kubeconfig that kubectl would use. Nothing is read yet."""
        return cls(environment.get("KUBECONFIG") or _DEFAULT_PATH, environment)

    @cached_property
    def contexts(self) -> tuple[Context, ...]:
        """The contexts that lead to a server; none where there is no file, or an empty one.

        Raises:
            InvalidInput: a file cannot be read, or is none.
        """
        with _describe_errors(self.paths):
            servers = {entry["name"]: str(entry["cluster"].get("server", "")) for entry in self._list("clusters")}
            pairs = [(str(entry["name"]), str(entry["context"]["cluster"])) for entry in self._list("contexts")]
        return tuple(Context(name, cluster, servers[cluster]) for name, cluster in pairs if servers.get(cluster))

    def connect(self, context: Context, cluster: str) -> Connection:
        """Return a connection to a cluster by a context. A program that gives tokens is run now; nothing is sent yet.

        Args:
            context: one of the contexts.
            cluster: what the cluster is called in messages.

        Raises:
            InvalidInput: the context cannot be used; the program gives no token.
            Misconfigured: it names a proxy that cannot be used.
        """
        settings = self._load_settings(context)
        with _describe_errors(self.paths):
            tls, lock = _create_tls(settings), threading.Lock()
        # A setting of the kubeconfig goes before the environment's, as with kubectl.
        proxies = {"HTTPS_PROXY": settings.proxy} if settings.proxy else self.environment
        proxy = choose_proxy(settings.host, proxies)

        def get_token() -> str:
            with lock:  # it runs the program again, once the token is old
                return str(settings.get_api_key_with_prefix("BearerToken") or "").removeprefix("Bearer ")

        def open_transport(endpoint: Endpoint) -> Transport:
            return Transport(endpoint, CONCURRENCY, proxy, context=tls, server_name=settings.tls_server_name)

        endpoint = Endpoint(settings.host, "")
        return Connection(
            cluster,
            endpoint,
            get_token,
            forget_token=lambda _: None,
            read_endpoint=lambda: endpoint,
            role=f"the user of {context}",
            create_transport=open_transport,
        )

    @cached_property
    def _config(self) -> Any:  # noqa: ANN401  # the loader's node; None where no file says anything
        return _Merger(self.paths).config

    def _load_settings(self, context: Context) -> Any:  # noqa: ANN401  # the client has no types
        settings = Configuration(proxy="")  # which would come from the environment
        with _describe_errors(self.paths), _collect_log() as lines:
            loader = KubeConfigLoader(self._config, active_context=context.name)
            loader.load_and_set(settings)
        user = self._find_user(context)
        if "exec" in user and not (settings.api_key or settings.cert_file):
            # On a terminal the program has said it there, and the loader fails at its missing output.
            said = f" ({lines[-1]})" if lines and not lines[-1].startswith("'NoneType'") else ""
            command = shlex.join(["kubectl", "--context", context.name, "version"])
            raise InvalidInput(
                f"the program {user['exec'].get('command')} of context {context.name} gives no token{said}: sign in to"
                f" AWS, then try `{command}`"
            )
        return settings

    def _find_user(self, context: Context) -> Mapping[str, Any]:
        names = {entry["name"]: entry["context"].get("user") for entry in self._list("contexts")}
        users = {entry["name"]: entry.get("user") or {} for entry in self._list("users")}
        return users.get(names[context.name], {})

    def _list(self, part: str) -> Sequence[Mapping[str, Any]]:
        """Return the entries of `clusters`, `contexts` or `users`."""
        return [entry.value for entry in self._config.value[part]] if self._config else ()


class _Merger(KubeConfigMerger):  # type: ignore[misc]  # the client has no types
    """Takes an empty file for one without contexts, as kubectl does."""

    def load_config(self, path: str) -> None:
        """Read a file."""
        if yaml.safe_load(Path(path).read_text()) is not None:  # as the loader reads it, which raises an error for none
            super().load_config(path)


def _create_tls(settings: Any) -> ssl.SSLContext:  # noqa: ANN401
    """Return the TLS settings: which certificates are trusted, and which one the person signs in with, if any."""
    authority = Path(settings.ssl_ca_cert).read_text() if settings.ssl_ca_cert else None
    context = create_context(authority)
    if settings.cert_file:
        context.load_cert_chain(settings.cert_file, settings.key_file)
    if not settings.verify_ssl:  # insecure-skip-tls-verify
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


@contextmanager
def _describe_errors(paths: str) -> Iterator[None]:
    """Raise InvalidInput for what is wrong with a kubeconfig; without the error's text, which can quote a token."""
    try:
        yield
    except Exception as error:
        raise InvalidInput(
            f"{paths} is no kubeconfig that can be used ({type(error).__name__}): look at `kubectl config view`"
        ) from None


@contextmanager
def _collect_log() -> Iterator[list[str]]:
    """Yield the lines that this thread logs meanwhile: where a program fails, the loader logs that, and goes on."""
    lines: list[str] = []
    own, handler = threading.get_ident(), logging.Handler()
    handler.addFilter(lambda record: record.thread == own)
    handler.emit = lambda record: lines.extend(record.getMessage().splitlines())  # type: ignore[method-assign]
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        yield lines
    finally:
        root.removeHandler(handler)
