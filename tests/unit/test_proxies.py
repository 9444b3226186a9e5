"""Which proxy leads to a cluster: HTTPS_PROXY and NO_PROXY mean what they mean to kubectl."""

import base64

import pytest

from keyferry.errors import Misconfigured
from keyferry.kube import choose_proxy
from keyferry.kube.proxies import Proxy

EKS = "https://0123456789ABCDEF.gr7.eu-west-1.eks.amazonaws.com"
PROXY = "http://proxy.example:3128"


def chosen(url: str = EKS, **environment: str) -> str | None:
    proxy = choose_proxy(url, environment)
    return proxy.url if proxy else None


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, None),
        ({"HTTPS_PROXY": ""}, None),
        ({"HTTP_PROXY": PROXY, "ALL_PROXY": PROXY}, None),
        ({"HTTPS_PROXY": PROXY}, "the proxy http://proxy.example:3128 of HTTPS_PROXY"),
        ({"https_proxy": PROXY}, "the proxy http://proxy.example:3128 of https_proxy"),
        ({"HTTPS_PROXY": "http://first:1", "https_proxy": PROXY}, "the proxy http://first:1 of HTTPS_PROXY"),
        ({"HTTPS_PROXY": "", "https_proxy": PROXY}, "the proxy http://proxy.example:3128 of https_proxy"),
    ],
)
def test_https_proxy_names_the_proxy_of_clusters_and_no_other_variable_does(
    environment: dict[str, str], expected: str | None
) -> None:
    proxy = choose_proxy(EKS, environment)
    assert (str(proxy) if proxy else None) == expected


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("proxy.example:3128", "http://proxy.example:3128"),
        ("proxy.example", "http://proxy.example"),
        ("https://proxy.example:8443", "https://proxy.example:8443"),
        ("http://10.0.0.1:3128/", "http://10.0.0.1:3128"),
        ("http://[fd00::1]:3128", "http://[fd00::1]:3128"),
    ],
)
def test_a_proxy_is_a_url_or_a_host_and_a_port(text: str, url: str) -> None:
    assert chosen(HTTPS_PROXY=text) == url


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("ann:canary-proxy", "ann:canary-proxy"),
        ("ann:canary%2Fp%23%40%3A", "ann:canary/p#@:"),
        ("ann", "ann:"),
        ("ann:canary@proxy", "ann:canary@proxy"),
        ("%C3%A4nn:canary-%C3%BC", "änn:canary-ü"),
    ],
)
def test_user_and_password_sign_in_to_the_proxy_and_are_not_shown(written: str, meant: str) -> None:
    proxy = choose_proxy(EKS, {"HTTPS_PROXY": f"http://{written}@proxy.example:3128"})
    assert proxy is not None
    assert proxy == Proxy(
        PROXY, "HTTPS_PROXY", {"Proxy-Authorization": f"Basic {base64.b64encode(meant.encode()).decode()}"}
    )
    assert "canary" not in f"{proxy} {proxy!r}"
    assert proxy.headers["Proxy-Authorization"] not in f"{proxy} {proxy!r}"


@pytest.mark.parametrize("scheme", ["socks5", "socks5h", "socks4", "SOCKS5"])
def test_a_socks_proxy_is_refused_with_what_can_be_done(scheme: str) -> None:
    with pytest.raises(Misconfigured, match=r"HTTPS_PROXY names a SOCKS proxy, .* or name the clusters in NO_PROXY"):
        chosen(HTTPS_PROXY=f"{scheme}://ann:canary-proxy@proxy.example:1080")


@pytest.mark.parametrize(
    "text",
    [
        "http://",
        "ftp://proxy.example",
        "http://proxy.example:99999",
        "http://proxy.example:port",
        "http://proxy .example",
        "http://proxy.example\n:3128",
        "http://proxy.example/canary-path",
        "http://ann:canary#proxy@proxy.example:3128",
        "http://ann:123#canary@proxy.example:3128",
        "http://ann:123/canary@proxy.example:3128",
        "http://ann:123?canary@proxy.example:3128",
    ],
)
def test_what_is_no_url_of_a_proxy_is_refused_without_quoting_it(text: str) -> None:
    with pytest.raises(Misconfigured, match="HTTPS_PROXY is no URL of a proxy: write it as") as raised:
        chosen(HTTPS_PROXY=text)
    assert not any(part in str(raised.value) for part in ("ann", "123", "canary"))


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.9.10", "[::1]"])
def test_this_machine_is_never_reached_through_a_proxy(host: str) -> None:
    assert chosen(f"https://{host}:6443", HTTPS_PROXY=PROXY) is None
    assert chosen(f"https://{host}", HTTPS_PROXY=PROXY) is None


@pytest.mark.parametrize(
    ("no_proxy", "host", "is_direct"),
    [
        ("*", "a.example.com", True),
        ("other.org, * ", "10.1.2.3", True),
        ("example.com", "example.com", True),
        ("example.com", "a.b.example.com", True),
        ("EXAMPLE.com", "A.Example.COM", True),
        ("example.com", "badexample.com", False),
        ("example.com", "example.com.evil.org", False),
        (".example.com", "a.example.com", True),
        (".example.com", "example.com", False),
        ("*.example.com", "a.example.com", True),
        ("*.example.com", "example.com", False),
        ("a*.example.com", "ab.example.com", False),
        ("other.org,example.com", "a.example.com", True),
        (" , ,example.com ", "a.example.com", True),
        ("other.org example.com", "a.example.com", False),
        ("example.com:443", "a.example.com", True),
        ("example.com:443", "a.example.com:443", True),
        ("example.com:443", "a.example.com:6443", False),
        (".example.com:6443", "a.example.com:6443", True),
        ("example.com:", "a.example.com", True),
        (":443", "a.example.com", False),
        ("10.0.0.0/8", "10.1.2.3", True),
        ("10.1.2.9/24", "10.1.2.3", True),
        ("10.0.0.0/8", "11.1.2.3", False),
        ("10.0.0.0/8", "a.example.com", False),
        ("10.0.0.0/8", "[fd00::1]", False),
        ("fd00::/8", "[fd00::1]", True),
        ("10.0.0.0/99", "10.1.2.3", False),
        ("10.1.2.3", "10.1.2.3", True),
        ("10.1.2.3", "10.1.2.30", False),
        ("10.1.2.3:443", "10.1.2.3", True),
        ("10.1.2.3:6443", "10.1.2.3", False),
        ("fd00::1", "[fd00:0::1]", True),
        ("[fd00::1]:443", "[fd00::1]", True),
        ("[fd00::1]:6443", "[fd00::1]", False),
        ("eks.amazonaws.com", "0123456789ABCDEF.gr7.eu-west-1.eks.amazonaws.com", True),
        ("http://example.com", "a.example.com", False),
    ],
)
def test_no_proxy_names_what_is_reached_directly(no_proxy: str, host: str, *, is_direct: bool) -> None:
    assert chosen(f"https://{host}", HTTPS_PROXY=PROXY, NO_PROXY=no_proxy) == (None if is_direct else PROXY)
    assert chosen(f"https://{host}", HTTPS_PROXY=PROXY, no_proxy=no_proxy) == (None if is_direct else PROXY)


def test_a_proxy_that_cannot_be_used_is_no_matter_for_what_is_reached_directly() -> None:
    assert chosen(HTTPS_PROXY="socks5://proxy.example", NO_PROXY="eks.amazonaws.com") is None
