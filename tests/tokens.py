"""Bearer tokens for EKS, right ones and wrong ones, signed by an implementation of its own."""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, urlencode


@dataclass(frozen=True)
class Draft:
    """A token for EKS that can be wrong in every way."""

    access_key: str
    secret_key: str
    session_token: str | None = None
    cluster: str = "prod-eu"
    region: str = "eu-west-1"
    host: str = "sts.eu-west-1.amazonaws.com"
    scheme: str = "https"
    path: str = "/"
    age: timedelta = timedelta()
    expires: str = "60"
    signed_headers: tuple[str, ...] = ("host", "x-k8s-aws-id")
    action: str = "GetCallerIdentity"
    extra: Mapping[str, str] = field(default_factory=dict)
    tail: str = ""

    def url(self) -> str:
        """Sign the request and give its address."""
        moment = f"{datetime.now(UTC) - self.age:%Y%m%dT%H%M%SZ}"
        scope = f"{moment[:8]}/{self.region}/sts/aws4_request"
        parameters = {
            "Action": self.action,
            "Version": "2011-06-15",
            "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
            "X-Amz-Credential": f"{self.access_key}/{scope}",
            "X-Amz-Date": moment,
            "X-Amz-Expires": self.expires,
            "X-Amz-SignedHeaders": ";".join(self.signed_headers),
            **({"X-Amz-Security-Token": self.session_token} if self.session_token else {}),
            **self.extra,
        }
        query = urlencode(sorted(parameters.items()), quote_via=quote, safe="-_.~")
        signature = self._sign(moment, scope, query)
        return f"{self.scheme}://{self.host}{self.path}?{query}&X-Amz-Signature={signature}{self.tail}"

    def token(self) -> str:
        """Give the token."""
        return "k8s-aws-v1." + base64.urlsafe_b64encode(self.url().encode()).decode().rstrip("=")

    def _sign(self, moment: str, scope: str, query: str) -> str:
        values = {"host": self.host, "x-k8s-aws-id": self.cluster}
        headers = "".join(f"{name}:{values[name]}\n" for name in self.signed_headers)
        nothing = hashlib.sha256(b"").hexdigest()
        request = "\n".join(["GET", self.path, query, headers, ";".join(self.signed_headers), nothing])
        key = f"AWS4{self.secret_key}".encode()
        for word in scope.split("/"):
            key = hmac.digest(key, word.encode(), "sha256")
        text = "\n".join(["AWS4-HMAC-SHA256", moment, scope, hashlib.sha256(request.encode()).hexdigest()])
        return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
