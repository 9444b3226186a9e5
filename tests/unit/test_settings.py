"""What the AWS SDK itself raises: settings that are wrong are named, and only the network is called the network."""

from collections.abc import Mapping
from pathlib import Path

import boto3
import pytest
from botocore import exceptions as sdk
from botocore.parsers import ResponseParserError
from botocore.retries.standard import ThrottledRetryableChecker
from click.testing import CliRunner

from keyferry.aws.errors import THROTTLED, translate_errors
from keyferry.aws.errors.sdk import SdkError, build_sdk_error
from keyferry.aws.regions import list_regions
from keyferry.aws.sessions import Sessions, open_session
from keyferry.aws.sources import Sources
from keyferry.cli import main
from keyferry.errors import InvalidRequest, KeyferryError, Misconfigured, NeedsRepair, Unexpected, Unreachable
from keyferry.stores.source import Source
from tests.unit.test_files import CLUSTERS, MAPPING

ROLE = "arn:aws:iam::111122223333:role/x"
NO_KEYS = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}
TOKEN_FILE = NO_KEYS | {"AWS_ROLE_ARN": ROLE}
PROFILES = f"""\
[profile sso]
sso_session = s
sso_account_id = 111122223333
sso_role_name = x
[sso-session s]
sso_region = eu-west-1
sso_start_url = https://example.awsapps.com/start
[profile process]
credential_process = /bin/false
[profile no-process]
credential_process = /nonexistent/process
[profile circle]
source_profile = circle
role_arn = {ROLE}
[profile no-role]
role_arn = canary
source_profile = keys
[profile keys]
aws_access_key_id = AKIAEXAMPLE
aws_secret_access_key = canary-key
[profile bundle]
region = eu-west-1
ca_bundle = /nonexistent/ca.pem
[profile no-source]
role_arn = {ROLE}
[profile wrong-source]
role_arn = {ROLE}
credential_source = Nothing
"""


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Take an environment in which everything is right."""
    for name, value in {
        "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "canary-key",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_CONFIG_FILE": str(tmp_path / "config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "credentials"),
        "AWS_EC2_METADATA_DISABLED": "true",
    }.items():
        monkeypatch.setenv(name, value)
    for name in ("AWS_REGION", "AWS_PROFILE", "AWS_ENDPOINT_URL", "HTTPS_PROXY", "https_proxy", "AWS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "config").write_text(PROFILES)
    (tmp_path / "broken").write_text("[profile\ncanary")
    (tmp_path / "binary").write_bytes(b"\xd0\xff canary")


def change(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, settings: Mapping[str, str]) -> None:
    """Change some settings; an empty one is taken away."""
    for name, value in settings.items():
        if value:
            monkeypatch.setenv(name, value.replace("TMP", str(tmp_path)))
        else:
            monkeypatch.delenv(name)


SETTINGS: dict[str, tuple[dict[str, str], str]] = {
    "a key id with a line end": ({"AWS_ACCESS_KEY_ID": "canary\n"}, "AWS_ACCESS_KEY_ID, or its like"),
    "a key id with a carriage return": ({"AWS_ACCESS_KEY_ID": "canary\r"}, "has a blank or a line end"),
    "a secret key with a line end": ({"AWS_SECRET_ACCESS_KEY": "canary\n"}, "AWS_SECRET_ACCESS_KEY, or its like"),
    "a session token with a line end": ({"AWS_SESSION_TOKEN": "canary\n"}, "AWS_SESSION_TOKEN, or its like"),
    "a key id beyond ASCII": ({"AWS_ACCESS_KEY_ID": "AKIAé"}, "or a character beyond ASCII"),
    "a session token with a dash of print": ({"AWS_SESSION_TOKEN": "canary\u2013"}, "AWS_SESSION_TOKEN, or its like"),
    "certificates that are missing": (
        {"AWS_CA_BUNDLE": "/nonexistent/ca.pem"},
        "AWS_CA_BUNDLE, or of ca_bundle in the profile, /nonexistent/ca.pem: No such file",
    ),
    "certificates that are a folder": ({"AWS_CA_BUNDLE": "TMP"}, "the file of AWS_CA_BUNDLE"),
    "certificates that are none": ({"AWS_CA_BUNDLE": "TMP/broken"}, "holds no certificate in PEM"),
    "certificates of a profile": (NO_KEYS | {"AWS_PROFILE": "bundle"}, "/nonexistent/ca.pem: No such file"),
    "a role of a profile that is none": (NO_KEYS | {"AWS_PROFILE": "no-role"}, "role_arn of the profile, or AWS_ROLE"),
    "a profile with a blank": ({"AWS_PROFILE": "keys "}, "there is no profile 'keys ', which AWS_PROFILE names"),
    "a region with a line end": ({"AWS_DEFAULT_REGION": "eu-west-1\n"}, "or the profile has a region that is no name"),
    "a region in capitals": ({"AWS_DEFAULT_REGION": "EU-WEST-1"}, "or the profile has a region that is no name of one"),
    "a zone for a region": ({"AWS_DEFAULT_REGION": "eu-west-1a"}, "or the profile has a region that is no name of one"),
    "a city for a region": ({"AWS_DEFAULT_REGION": "Frankfurt"}, "or the profile has a region that is no name of one"),
    "no credentials": (NO_KEYS, "there are no AWS credentials: set AWS_PROFILE"),
    "half of the credentials": ({"AWS_SECRET_ACCESS_KEY": ""}, "the AWS credentials are incomplete"),
    "a token file that is missing": (
        TOKEN_FILE | {"AWS_WEB_IDENTITY_TOKEN_FILE": "/nonexistent/token"},
        "/nonexistent/token: No such file or directory: look at AWS_WEB_IDENTITY_TOKEN_FILE",
    ),
    "a token file that is a folder": (
        TOKEN_FILE | {"AWS_WEB_IDENTITY_TOKEN_FILE": "TMP"},
        "Is a directory: look at AWS_WEB_IDENTITY_TOKEN_FILE",
    ),
    "a token file that is no text": (
        TOKEN_FILE | {"AWS_WEB_IDENTITY_TOKEN_FILE": "TMP/binary"},
        "the file of AWS_WEB_IDENTITY_TOKEN_FILE is no text",
    ),
    "a token file without a role": (
        NO_KEYS | {"AWS_WEB_IDENTITY_TOKEN_FILE": "TMP/binary"},
        "the profile, or an AWS_ variable in its place",
    ),
    "no region": ({"AWS_DEFAULT_REGION": ""}, "no AWS region is set: set AWS_REGION"),
    "a region with a blank": ({"AWS_DEFAULT_REGION": "eu-west-1 "}, "AWS_DEFAULT_REGION or the profile has a region"),
    "an endpoint without http": ({"AWS_ENDPOINT_URL": "127.0.0.1:4566"}, "AWS_ENDPOINT_URL, or its form"),
    "an endpoint without a host": ({"AWS_ENDPOINT_URL": "http://"}, "AWS_ENDPOINT_URL, or its form"),
    "an endpoint with a word as port": ({"AWS_ENDPOINT_URL": "http://127.0.0.1:x"}, "AWS_ENDPOINT_URL, or its form"),
    "an endpoint of another scheme": ({"AWS_ENDPOINT_URL": "ftp://127.0.0.1"}, "AWS_ENDPOINT_URL is no URL"),
    "the endpoint of one service": ({"AWS_ENDPOINT_URL_SECRETS_MANAGER": "x"}, "or its form for one service"),
    "a time limit that is none": (
        NO_KEYS | {"AWS_METADATA_SERVICE_TIMEOUT": "canary"},
        "AWS_METADATA_SERVICE_TIMEOUT or _NUM_ATTEMPTS",
    ),
    "a container's address that is none": (
        NO_KEYS | {"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://canary.example/"},
        "AWS_CONTAINER_CREDENTIALS_FULL_URI is no address",
    ),
    "a proxy with a word as port": ({"HTTPS_PROXY": "http://127.0.0.1:x"}, "HTTPS_PROXY, HTTP_PROXY or AWS_ENDPOINT"),
    "a proxy with a blank": ({"HTTPS_PROXY": "http://127.0.0.1:9 "}, "HTTPS_PROXY, HTTP_PROXY or AWS_ENDPOINT_URL"),
    "a profile that is missing": ({"AWS_PROFILE": "nothing"}, "there is no profile 'nothing', which AWS_PROFILE names"),
    "a configuration that is broken": ({"AWS_CONFIG_FILE": "TMP/broken"}, "AWS_CONFIG_FILE or AWS_SHARED"),
    "credentials that are broken": (NO_KEYS | {"AWS_SHARED_CREDENTIALS_FILE": "TMP/broken"}, "cannot be parsed"),
    "no sign-in": (NO_KEYS | {"AWS_PROFILE": "sso"}, "there is no AWS sign-in: aws sso login --profile sso"),
    "a process that fails": (NO_KEYS | {"AWS_PROFILE": "process"}, "credential_process of the profile"),
    "a process that is missing": (NO_KEYS | {"AWS_PROFILE": "no-process"}, "or credential_process, whichever names it"),
    "a profile in a circle": (NO_KEYS | {"AWS_PROFILE": "circle"}, "a setting that does not fit"),
    "a role without a source": (NO_KEYS | {"AWS_PROFILE": "no-source"}, "the AWS credentials are incomplete"),
    "a source that is unknown": (NO_KEYS | {"AWS_PROFILE": "wrong-source"}, "a setting that does not fit"),
    "STS of no kind": ({"AWS_STS_REGIONAL_ENDPOINTS": "x"}, "AWS_STS_REGIONAL_ENDPOINTS is neither"),
    "defaults of no kind": ({"AWS_DEFAULTS_MODE": "x"}, "AWS_DEFAULTS_MODE is not one that AWS has"),
    "checksums of no kind": ({"AWS_REQUEST_CHECKSUM_CALCULATION": "x"}, "AWS_REQUEST_CHECKSUM_CALCULATION or"),
}


def test_validate_reads_no_profile(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nothing")
    folder = tmp_path / "mappings"
    folder.mkdir()
    (folder / "clusters.yaml").write_text(CLUSTERS)
    (folder / "mapping.yaml").write_text(MAPPING)
    list_regions.cache_clear()
    assert CliRunner().invoke(main, ["--mappings", str(folder), "validate"]).exit_code == 0


@pytest.mark.parametrize("case", SETTINGS)
def test_a_setting_that_is_wrong_is_named_and_no_value_shown(
    case: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    settings, text = SETTINGS[case]
    change(monkeypatch, tmp_path, settings)
    with pytest.raises(Misconfigured) as raised:
        Sources(Sessions(open_session())).read(Source.model_validate({"secretsManager": "db"}))
    assert text in str(raised.value)
    assert "canary" not in str(raised.value)
    assert "network" not in str(raised.value)


@pytest.mark.parametrize("case", SETTINGS)
def test_push_ends_with_1_and_says_which_setting_is_wrong(
    case: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    settings, text = SETTINGS[case]
    if "SECRETS_MANAGER" in str(settings):
        settings = {"AWS_ENDPOINT_URL_EKS": "x"}  # a delivery asks for its cluster first
    change(monkeypatch, tmp_path, settings)
    folder = tmp_path / "mappings"
    folder.mkdir()
    (folder / "clusters.yaml").write_text(CLUSTERS)
    (folder / "mapping.yaml").write_text(MAPPING)
    result = CliRunner().invoke(main, ["--mappings", str(folder), "push", "--yes"])
    assert result.exit_code == 1
    assert text in result.output
    assert "canary" not in result.output


@pytest.mark.parametrize("token", ["canary\n", "canary\r"])
def test_a_session_token_that_no_header_can_hold_is_told(token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")  # over TLS, the connection comes before the header
    session = boto3.Session("AKIAEXAMPLE", "canary-key", token)
    with pytest.raises(Misconfigured, match="AWS_ACCESS_KEY_ID or AWS_SESSION_TOKEN, or the profile's, has a line end"):
        Sources(Sessions(session)).read(Source.model_validate({"secretsManager": "db"}))


@pytest.mark.parametrize("parts", [{"version": "v3"}, {"identifier": ""}])
def test_what_the_sdk_does_not_send_needs_repair_names_the_parameter_and_leads_to_no_failover(
    parts: dict[str, str],
) -> None:
    name, version = parts.get("identifier", "db"), parts.get("version")
    good = Source.model_validate({"secretsManager": "db", "failover": ["us-east-1"]})
    source = good.model_copy(update={"secrets_manager": name, "version": version})  # validate refuses it before
    sources = Sources(Sessions(open_session()))
    for _ in range(2):
        with pytest.raises(InvalidRequest) as raised:
            sources.read(source)
        parameter = "VersionId" if version else "SecretId"
        assert f"the AWS SDK does not send it, {parameter} is wrong; change the mapping" in str(raised.value)
        assert "us-east-1" not in str(raised.value)
    assert isinstance(raised.value, NeedsRepair)


def test_a_setting_that_is_wrong_leads_to_no_failover(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "x")
    with pytest.raises(Misconfigured) as raised:
        Sources(Sessions(open_session())).read(
            Source.model_validate({"secretsManager": "db", "failover": ["us-east-1"]})
        )
    assert "us-east-1" not in str(raised.value)


URL = "https://canary.example"


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        (sdk.EndpointConnectionError(endpoint_url=URL), "look at the network, and at AWS_ENDPOINT_URL"),
        (sdk.ConnectTimeoutError(endpoint_url=URL), "look at the network"),
        (
            sdk.EndpointConnectionError(endpoint_url="https://secretsmanager.eu-west-9.amazonaws.com/"),
            "no region of AWS is called eu-west-9, as far as this version knows: there is eu-west-1, eu-west-2",
        ),
        (
            sdk.EndpointConnectionError(endpoint_url="https://secretsmanager.eu-west-2.amazonaws.com/"),
            "look at the network",
        ),
        (sdk.ReadTimeoutError(endpoint_url=URL), "look at the network"),
        (sdk.ConnectionClosedError(endpoint_url=URL), "look at the network"),
        (sdk.ProxyConnectionError(proxy_url=URL), "look at the proxy that HTTPS_PROXY or HTTP_PROXY names"),
        (
            sdk.SSLError(endpoint_url=URL, error=ValueError("canary")),
            "look at AWS_CA_BUNDLE, and at a proxy that opens TLS",
        ),
        (sdk.HTTPClientError(error=ConnectionResetError("canary")), "look at the network"),
        (sdk.IncompleteReadError(actual_bytes=1, expected_bytes=2), "look at the network"),
        (ResponseParserError("canary"), "look at the network"),
    ],
)
def test_no_answer_is_unreachable_with_where_to_look(error: SdkError, remedy: str) -> None:
    with pytest.raises(Unreachable) as raised, translate_errors("ssm:GetParameter on /db"):
        raise error
    text = f"ssm:GetParameter on /db: no answer from AWS ({type(error).__name__}); {remedy}"
    assert str(raised.value).startswith(text)
    assert "canary" not in str(raised.value)


@pytest.mark.parametrize(
    "error",
    [
        sdk.PaginationError(message="canary"),
        sdk.HTTPClientError(error=AssertionError("canary")),
        sdk.UnknownServiceError(service_name="canary", known_service_names=""),
        OSError("canary"),
    ],
)
def test_what_is_not_known_is_unexpected_and_not_the_network(error: SdkError) -> None:
    built = build_sdk_error(error, "ssm:GetParameter on /db")
    assert isinstance(built, Unexpected)
    assert "canary" not in str(built)


@pytest.mark.parametrize(
    ("report", "text"),
    [
        ("Invalid length for parameter VersionId, value: 2, valid min length: 32", "VersionId is wrong"),
        ("Invalid type for parameter Names[0], value: canary, type: <class 'int'>", "Names[0] is wrong"),
        ('Missing required parameter in input: "SecretId"', "SecretId is wrong"),
        ('Unknown parameter in Filters[0]: "Ke", must be one of: Key', "Ke is wrong"),
        ("of a form that nobody has seen: canary", "a parameter is wrong (ParamValidationError)"),
    ],
)
def test_a_parameter_is_named_and_its_value_is_not(report: str, text: str) -> None:
    built: KeyferryError = build_sdk_error(sdk.ParamValidationError(report=report), "ssm:GetParameters on /db")
    assert isinstance(built, InvalidRequest)
    assert text in str(built)
    assert "canary" not in str(built)


def test_every_code_that_botocore_takes_for_throttling_is_throttling() -> None:
    assert set(vars(ThrottledRetryableChecker)["_THROTTLED_ERROR_CODES"]) == THROTTLED
