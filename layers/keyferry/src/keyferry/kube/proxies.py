"""Choose the proxy that connections to a cluster go through: by the variables, and in the way, of kubectl.

The rules are those of Go's `golang.org/x/net/http/httpproxy`. No library here has the same: urllib and botocore know no
networks, and none leaves loopback out.
"""

import base64
import ipaddress
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote_to_bytes, urlsplit

from urllib3.exceptions import LocationValueError
from urllib3.util import Url, parse_url

from keyferry.errors import Misconfigured

_PORT = re.compile(r"(?:\[([^]]*)\]|([^:]*)):([^:]*)")
"""A host and a port, as an entry of NO_PROXY has them."""
_FORM = (
    "write it as http://proxy.example:3128, or as http://USER:PASSWORD@proxy.example:3128 with %2F for a slash in them,"
    " %23 for # and %3F for ?"
)
type _Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True)
class Proxy:
    """A proxy that is asked to connect to clusters, by the method CONNECT of HTTP."""

    url: str
    """Its address, without user and password."""
    variable: str
    """The variable of the environment that names it."""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """What it is signed in to with."""

    def __str__(self) -> str:
        """Return it for messages."""
        return f"the proxy {self.url} of {self.variable}"


def choose_proxy(url: str, environment: Mapping[str, str]) -> Proxy | None:
    """Return the proxy that leads to a cluster; None where it is connected to directly.

    Args:
        url: the endpoint of the cluster, which is https.
        environment: the variables `HTTPS_PROXY` and `NO_PROXY`, in capitals or else in small letters.

    Raises:
        Misconfigured: what names the proxy is no URL, or that of a kind of proxy that is not supported. The message
            quotes nothing of it, since it can hold a password.
    """
    variable, text = _get("HTTPS_PROXY", environment)
    if not text or _is_left_out(url, _get("NO_PROXY", environment)[1]):
        return None
    address = _parse(variable, text)
    shown = Url(address.scheme, host=address.host, port=address.port).url
    return Proxy(shown, variable, _sign_in(address.auth) if address.auth else {})


def _get(name: str, environment: Mapping[str, str]) -> tuple[str, str]:
    """Return the variable that holds a setting, and its value."""
    variable = next((spelling for spelling in (name, name.lower()) if environment.get(spelling)), name)
    return variable, environment.get(variable, "")


def _parse(variable: str, text: str) -> Url:
    try:
        address = parse_url(text if "://" in text else f"http://{text}")
    except LocationValueError:
        address = Url()
    if (address.scheme or "").startswith("socks"):
        raise Misconfigured(
            f"{variable} names a SOCKS proxy, and clusters are reached through proxies of http:// and https:// alone:"
            " name one of these, or name the clusters in NO_PROXY"
        )
    is_whole = address.host and address.request_uri == "/" and address.fragment is None
    if not is_whole or address.scheme not in ("http", "https"):
        raise Misconfigured(f"{variable} is no URL of a proxy: {_FORM}")
    return address


def _sign_in(auth: str) -> Mapping[str, str]:
    user, _, password = auth.partition(":")
    token = base64.b64encode(b":".join(map(unquote_to_bytes, (user, password))))
    return {"Proxy-Authorization": f"Basic {token.decode()}"}


def _is_left_out(url: str, no_proxy: str) -> bool:
    """Return whether a URL is not asked for through a proxy: it is of this machine, or `NO_PROXY` names it."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", str(parts.port or 443)
    address = _parse_address(host)
    if host == "localhost" or (address and address.is_loopback):
        return True
    entries = [entry.strip().lower() for entry in no_proxy.split(",")]
    return "*" in entries or any(_matches(entry, host, port, address) for entry in entries)


def _matches(entry: str, host: str, port: str, address: _Address | None) -> bool:
    """Return whether an entry of `NO_PROXY` names a host: by a network, an address, a name, or the end of a name."""
    if "/" in entry:
        return address is not None and address in _parse_network(entry)
    match = _PORT.fullmatch(entry)
    name, wanted_port = (match[1] or match[2] or "", match[3]) if match else (entry, "")
    if not name or wanted_port not in ("", port):
        return False
    named = _parse_address(name)
    return address == named if named else any(_list_matches(name, host))


def _list_matches(name: str, host: str) -> Iterator[bool]:
    """Yield whether a name is a host's own, and whether it is the end of one: `.example.com` is no own name."""
    name = name[1:] if name.startswith("*.") else name
    yield host == name
    yield host.endswith(f".{name.removeprefix('.')}")


def _parse_address(text: str) -> _Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _parse_network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | tuple[()]:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return ()
