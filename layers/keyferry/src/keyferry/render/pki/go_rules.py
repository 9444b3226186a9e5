"""What Go refuses in a certificate that other programs read (`parseCertificate` in crypto/x509/parser.go)."""

import re
from collections.abc import Mapping

from cryptography import x509
from cryptography.x509 import Certificate

from keyferry.render.pki.certificates import without_warnings

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_BROKEN_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_USER = re.compile(r"[A-Za-z0-9._:~!$&'()*+,;=%@-]*")
_HOST = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|(?:[A-Za-z0-9_.~!$&'()*+,;=<>\"-]|%25|%[89A-Fa-f][0-9A-Fa-f])*)(?::[0-9]*)?")
"""A host, with its port, as net/url takes it."""
_NEVER_CRITICAL: Mapping[type[x509.ExtensionType], str] = {
    x509.AuthorityKeyIdentifier: "an authority key identifier",
    x509.SubjectKeyIdentifier: "a subject key identifier",
    x509.AuthorityInformationAccess: "an authority information access",
}
"""Extension that RFC 5280 has as not critical → what it is called."""


def describe_refusal(certificate: Certificate) -> str:
    """Return what Go refuses in a certificate, as `a negative serial number`; empty where it takes the certificate."""
    with without_warnings():
        if certificate.serial_number < 0:
            return "a negative serial number"
        try:
            extensions = certificate.extensions
        except x509.DuplicateExtension:
            return "an extension twice"
        except Exception:  # what the library cannot read may be right
            return ""
    for extension in extensions:
        if extension.critical and (name := _NEVER_CRITICAL.get(type(extension.value))):
            return f"{name} that is marked critical"
    return _describe_names(extensions)


def _describe_names(extensions: x509.Extensions) -> str:
    """Return what Go refuses in the names that a certificate is for; empty where there are none, too."""
    try:
        names = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ""
    uris = names.get_values_for_type(x509.UniformResourceIdentifier)
    texts = names.get_values_for_type(x509.DNSName) + names.get_values_for_type(x509.RFC822Name)
    if not all(map(str.isascii, texts)):
        return "a name that is not ASCII among its subject alternative names"
    return "" if all(map(is_uri, uris)) else "a URI that is none among its subject alternative names"


def is_uri(text: str) -> bool:
    """Return whether Go takes a text for a URI (`url.Parse`, and what crypto/x509 wants of its host)."""
    text, _, fragment = text.partition("#")
    if not text.isascii() or _CONTROL.search(text) or _BROKEN_ESCAPE.search(fragment) or text.startswith(":"):
        return False
    scheme = _SCHEME.match(text)
    rest = text[scheme.end() if scheme else 0 :].partition("?")[0]
    if not rest.startswith("/"):
        return bool(scheme) or not (":" in rest.partition("/")[0] or _BROKEN_ESCAPE.search(rest))
    if rest.startswith("//") and (scheme or not rest.startswith("///")):
        authority, _, rest = rest[2:].partition("/")
        if not _is_authority(authority):
            return False
    return not _BROKEN_ESCAPE.search(rest)


def _is_authority(text: str) -> bool:
    """Return whether a text is user, host and port of a URI."""
    user, _, host = text.rpartition("@")
    if not _USER.fullmatch(user) or _BROKEN_ESCAPE.search(user) or not _HOST.fullmatch(host):
        return False
    return not host or all(host.split("."))
