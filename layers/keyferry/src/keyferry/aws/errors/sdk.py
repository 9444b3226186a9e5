"""Tell what an error of the AWS SDK itself means: no answer, a call that it does not send, or a setting that is wrong.

None of its texts is quoted, since some hold what was sent, or the credentials. What raises what was tried with
botocore 1.44, a setting at a time.
"""

import re
from collections.abc import Sequence

from botocore import exceptions as sdk
from botocore.parsers import ResponseParserError
from urllib3.exceptions import HTTPError, LocationValueError

from keyferry.aws.errors.sign_in import SIGN_IN, explain_renewal
from keyferry.aws.regions import describe_unknown, list_regions
from keyferry.errors import InvalidRequest, KeyferryError, Misconfigured, Unexpected, Unreachable, raised_at

type SdkError = sdk.BotoCoreError | ResponseParserError | OSError | ValueError | RuntimeError | KeyError
"""What botocore raises, beside what AWS answers. It opens files and parses URLs without errors of its own."""

_SIGN_INS: Sequence[tuple[type[Exception], str]] = (
    (sdk.SSOTokenLoadError, "there is no AWS sign-in"),
    (sdk.SSOError, "the AWS sign-in has ended"),
    (sdk.LoginError, "the AWS sign-in has ended"),
    (sdk.TokenRetrievalError, "the AWS sign-in has ended"),
    (sdk.RefreshWithMFAUnsupportedError, "the role of the profile needs a code (mfa_serial) anew"),
    (sdk.MissingDependencyException, "the profile signs in by `aws login`, which this installation cannot"),
)
"""The type of an error → what is wrong with the sign-in, which has to be renewed. The first row that fits holds."""
_SETTINGS: Sequence[tuple[type[Exception], str]] = (
    (sdk.NoRegionError, "no AWS region is set: set AWS_REGION, or a region in the profile"),
    (sdk.InvalidRegionError, "AWS_REGION, AWS_DEFAULT_REGION or the profile has a region that is no name of one"),
    (sdk.UnknownRegionError, "AWS_REGION, AWS_DEFAULT_REGION or the profile has a region that does not exist"),
    (sdk.NoCredentialsError, "there are no AWS credentials: set AWS_PROFILE, or sign in (aws sso login)"),
    (sdk.PartialCredentialsError, "the AWS credentials are incomplete: set both the key id and the secret key"),
    (sdk.ConfigParseError, "the file of AWS_CONFIG_FILE or AWS_SHARED_CREDENTIALS_FILE (~/.aws) cannot be parsed"),
    (sdk.ConfigNotFound, "the file of AWS_CONFIG_FILE (~/.aws/config) does not exist"),
    (sdk.CredentialRetrievalError, "credential_process of the profile, or the container, gives no AWS credentials"),
    (sdk.UnknownCredentialError, "credential_source of the profile is not one that AWS has"),
    (sdk.InvalidProxiesConfigError, "the proxy settings of the AWS SDK are wrong"),
    (sdk.InvalidRetryConfigurationError, "AWS_RETRY_MODE or AWS_MAX_ATTEMPTS is wrong"),
    (sdk.InvalidSTSRegionalEndpointsConfigError, "AWS_STS_REGIONAL_ENDPOINTS is neither regional nor legacy"),
    (sdk.InvalidDefaultsMode, "AWS_DEFAULTS_MODE is not one that AWS has"),
    (sdk.InvalidChecksumConfigError, "AWS_REQUEST_CHECKSUM_CALCULATION or AWS_RESPONSE_CHECKSUM_VALIDATION is wrong"),
    (sdk.InvalidConfigError, "the profile, or an AWS_ variable in its place, has a setting that does not fit"),
    (sdk.InvalidIMDSEndpointError, "AWS_EC2_METADATA_SERVICE_ENDPOINT is no URL"),
    (sdk.InvalidIMDSEndpointModeError, "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE is neither IPv4 nor IPv6"),
    (sdk.BaseEndpointResolverError, "AWS has no endpoint for that region with AWS_USE_FIPS_ENDPOINT and the like"),
    (sdk.EndpointProviderError, "AWS has no endpoint for that region with AWS_USE_FIPS_ENDPOINT and the like"),
    (sdk.InvalidEndpointConfigurationError, "AWS_ENDPOINT_URL does not go with AWS_USE_FIPS_ENDPOINT and the like"),
)
"""The type of an error → which setting is wrong. The first row that fits holds."""
_NO_ANSWER = (
    sdk.ConnectionError,
    sdk.ConnectionClosedError,
    sdk.ReadTimeoutError,
    sdk.ResponseStreamingError,
    sdk.IncompleteReadError,
    sdk.MetadataRetrievalError,
    ResponseParserError,  # whatever answers is not AWS
)
_NOT_SENT = (sdk.ParamValidationError, sdk.MissingParametersError, sdk.ValidationError, sdk.InvalidHostLabelError)
_VALUES = {
    "configprovider.py": "AWS_MAX_ATTEMPTS, AWS_METADATA_SERVICE_TIMEOUT or _NUM_ATTEMPTS is no number",
    "utils.py": "AWS_CONTAINER_CREDENTIALS_FULL_URI is no address that botocore asks for credentials",
}
"""The module of botocore that raises a ValueError → which setting is wrong; any other one parses an endpoint."""
_REGION_OF_HOST = re.compile(r"://[\w-]+(?:\.[\w-]+)?\.([a-z]{2,}(?:-[a-z]+)+-[0-9]+)\.(?:amazonaws|api\.aws)")
_PARAMETER = re.compile(r'(?:Invalid [\w ]+ for|Missing required|Unknown) parameter(?: in [\w.\[\]]+:)? "?([\w.\[\]]+)')
"""The name of the parameter at the beginning of botocore's report, which goes on with its value."""


def build_sdk_error(error: SdkError, call: str) -> KeyferryError:
    """Return the KeyferryError for an error of the AWS SDK.

    Args:
        error: what botocore raised.
        call: action and object, as `secretsmanager:GetSecretValue on prod/db`, or what else was being done.

    Returns:
        Misconfigured for a setting, InvalidRequest for a call that is not sent, Unreachable where no answer came, and
        Unexpected for whatever this release does not know.
    """
    advice = next((text for kind, text in _SETTINGS if isinstance(error, kind)), None)
    advice = advice or _explain_profile(error) or _explain_sign_in(error) or _explain_value(error)
    if advice:
        misconfigured = Misconfigured(advice if call == SIGN_IN else f"{advice} ({call})")
        misconfigured.cause = advice
        return misconfigured
    if isinstance(error, _NOT_SENT):
        return InvalidRequest(f"{call}: the AWS SDK does not send it, {_name_parameter(error)}; change the mapping")
    if isinstance(error, _NO_ANSWER) or _is_network(error):
        return Unreachable(f"{call}: no answer from AWS ({type(error).__name__}); {_choose_remedy(error)}")
    return Unexpected(error)


def _explain_profile(error: SdkError) -> str | None:
    """Return which profile is missing, or None if that is not what is wrong."""
    if not isinstance(error, sdk.ProfileNotFound):
        return None
    return f"there is no profile {error.kwargs['profile']!r}, which AWS_PROFILE names: see aws configure list-profiles"


def _explain_sign_in(error: SdkError) -> str | None:
    """Return what is wrong with the sign-in and how it is renewed, or None if that is not what is wrong."""
    reason = next((text for kind, text in _SIGN_INS if isinstance(error, kind)), None)
    place = raised_at(error).partition(":")[0]
    if isinstance(error, RuntimeError) and place == "credentials.py":  # "…are still expired", and no other
        reason = "the AWS credentials have expired"
    if isinstance(error, KeyError) and place == "utils.py":  # of botocore's JSONFileCache
        reason = "the AWS sign-in in ~/.aws/sso/cache cannot be read"
    return f"{reason}: {explain_renewal()}" if reason else None


def _explain_value(error: SdkError) -> str | None:
    """Return which setting holds a value that Python cannot use, or None if that is not what is wrong."""
    inner = error.kwargs.get("error") if type(error) is sdk.HTTPClientError else error
    if isinstance(inner, sdk.BotoCoreError):
        return None
    if isinstance(inner, OSError) and inner.filename:
        files = "AWS_WEB_IDENTITY_TOKEN_FILE, AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE or credential_process"
        return f"{inner.filename}: {inner.strerror}: look at {files}, whichever names it"
    if isinstance(inner, UnicodeDecodeError):
        return "the file of AWS_WEB_IDENTITY_TOKEN_FILE is no text"
    if isinstance(inner, LocationValueError):
        return "HTTPS_PROXY, HTTP_PROXY or AWS_ENDPOINT_URL is no URL"
    if isinstance(inner, ValueError) and inner is not error:
        return "AWS_ACCESS_KEY_ID or AWS_SESSION_TOKEN, or the profile's, has a line end"  # no header can hold one
    if isinstance(inner, ValueError):
        place = raised_at(error)
        endpoint = f"AWS_ENDPOINT_URL, or its form for one service, needs http:// and a host ({place})"
        return _VALUES.get(place.partition(":")[0], endpoint)
    return None


def _is_network(error: SdkError) -> bool:
    """Return whether an error that botocore has no type for came from the network."""
    return type(error) is sdk.HTTPClientError and isinstance(error.kwargs.get("error"), (OSError, HTTPError))


def _name_parameter(error: SdkError) -> str:
    report = error.kwargs.get("report", "") if isinstance(error, sdk.ParamValidationError) else ""
    match = _PARAMETER.match(report)
    return f"{match[1]} is wrong" if match else f"a parameter is wrong ({type(error).__name__})"


def _choose_remedy(error: SdkError) -> str:
    if isinstance(error, sdk.ProxyConnectionError):
        return "look at the proxy that HTTPS_PROXY or HTTP_PROXY names"
    if isinstance(error, sdk.SSLError):
        return "look at AWS_CA_BUNDLE, and at a proxy that opens TLS"
    if isinstance(error, sdk.ConnectionError):
        match = _REGION_OF_HOST.search(str(error.kwargs.get("endpoint_url")))
        if match and match[1] not in list_regions():
            return describe_unknown(match[1])
    return "look at the network, and at AWS_ENDPOINT_URL where it is set"
