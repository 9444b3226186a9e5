"""Sign-ins that have ended: what has expired is said, and the command that renews it, for the profile that is used.

The files are those of the AWS CLI: `~/.aws/config`, and the cache of `aws sso login`.
"""

import hashlib
import json
from pathlib import Path

import pytest
from botocore.credentials import SSOProvider
from botocore.tokens import SSOTokenProvider
from click.testing import CliRunner

from keyferry.aws.errors import build_error
from keyferry.aws.errors.sign_in import CAUSES, explain_renewal
from keyferry.aws.sessions import open_session
from keyferry.cli import main
from keyferry.errors import Misconfigured, NotSignedIn
from tests.unit.test_files import CLUSTERS, MAPPING

ROLE = "arn:aws:iam::111122223333:role/x"
CONFIG = f"""\
[default]
sso_session = company
sso_account_id = 111122223333
sso_role_name = admin
[profile prod]
sso_session = company
sso_account_id = 111122223333
sso_role_name = admin
[profile "of the team"]
sso_session = company
sso_account_id = 111122223333
sso_role_name = admin
[sso-session company]
sso_region = eu-west-1
sso_start_url = https://company.awsapps.com/start
[profile legacy]
sso_start_url = https://legacy.awsapps.com/start
sso_region = eu-west-1
sso_account_id = 111122223333
sso_role_name = admin
[profile push]
role_arn = {ROLE}
source_profile = hub
[profile hub]
role_arn = {ROLE}
source_profile = prod
[profile circle]
role_arn = {ROLE}
source_profile = circle-2
[profile circle-2]
role_arn = {ROLE}
source_profile = circle
[profile login]
login_session = arn:aws:iam::111122223333:user/ann
[profile process]
credential_process = TMP/expired
[profile token]
role_arn = {ROLE}
web_identity_token_file = /nonexistent
[profile keys]
aws_access_key_id = AKIAEXAMPLE
aws_secret_access_key = canary-key
"""
EXPIRED = {"accessToken": "canary-token", "expiresAt": "2020-01-01T00:00:00Z", "region": "eu-west-1", "startUrl": "x"}
PROCESS = {"Version": 1, "AccessKeyId": "AKIAEXAMPLE", "SecretAccessKey": "canary-key", "SessionToken": "canary"}


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The home of somebody who has profiles, and whose sign-ins have all ended."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_LAMBDA_FUNCTION_NAME", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CA_BUNDLE", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    for provider in (SSOProvider, SSOTokenProvider):
        monkeypatch.setattr(provider, "_SSO_TOKEN_CACHE_DIR", str(tmp_path / "cache"))
    (tmp_path / "config").write_text(CONFIG.replace("TMP", str(tmp_path)))
    (tmp_path / "expired").write_text(
        f"#!/bin/sh\necho '{json.dumps(PROCESS | {'Expiration': EXPIRED['expiresAt']})}'\n"
    )
    (tmp_path / "expired").chmod(0o700)
    (tmp_path / "cache").mkdir()
    for sign_in in ("company", "https://legacy.awsapps.com/start"):
        write_token(tmp_path, sign_in, json.dumps(EXPIRED))
    return tmp_path


def write_token(home: Path, sign_in: str, text: str) -> None:
    """Write what `aws sso login` has kept."""
    (home / "cache" / f"{hashlib.sha1(sign_in.encode(), usedforsecurity=False).hexdigest()}.json").write_text(text)


ENDED = {
    "prod": "the AWS sign-in has ended: aws sso login --profile prod",
    "default": "the AWS sign-in has ended: aws sso login",
    "": "the AWS sign-in has ended: aws sso login",
    "of the team": "the AWS sign-in has ended: aws sso login --profile 'of the team'",
    "legacy": "the AWS sign-in has ended: aws sso login --profile legacy",
    "push": "the AWS sign-in has ended: aws sso login --profile prod",
    "process": "the AWS credentials have expired: look at credential_process of profile process, which gives them",
    "login": "by `aws login`, which this installation cannot: aws login --profile login, and eval"
    ' "$(aws configure export-credentials --profile login --format env)"',
}


@pytest.mark.parametrize("profile", ENDED)
def test_push_says_what_has_ended_and_the_command_that_mends_it(
    profile: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if profile:
        monkeypatch.setenv("AWS_PROFILE", profile)
    (home / "mappings").mkdir()
    (home / "mappings/clusters.yaml").write_text(CLUSTERS)
    (home / "mappings/mapping.yaml").write_text(MAPPING)
    for arguments in (["push", "--yes"], ["push", "--dry-run"], ["push", "--yes", "--stack", "keyferry"]):
        result = CliRunner().invoke(main, ["--mappings", str(home / "mappings"), *arguments])
        assert result.exit_code == 1
        assert f"{ENDED[profile]} https://" in " ".join(result.stderr.split())
        assert "canary" not in result.output


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"accessToken": "canary"}', "there is no AWS sign-in: aws sso login --profile prod"),
        ("canary", "the AWS sign-in in ~/.aws/sso/cache cannot be read: aws sso login --profile prod"),
    ],
)
def test_a_sign_in_that_is_damaged_is_renewed_too(
    text: str, said: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "prod")
    write_token(home, "company", text)
    with pytest.raises(Misconfigured) as raised:
        open_session()
    assert said in str(raised.value)
    assert "canary" not in str(raised.value)


@pytest.mark.parametrize(
    ("profile", "renewal"),
    [
        ("keys", "give profile keys new keys: aws configure --profile keys"),
        ("token", "look at the web identity token, and who renews it"),
        ("circle", "sign in: aws sso login, with AWS_PROFILE set to the profile"),
        ("nothing", "sign in: aws sso login, with AWS_PROFILE set to the profile"),
    ],
)
def test_each_kind_of_profile_has_its_own_way_to_new_credentials(
    profile: str, renewal: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", profile)
    assert explain_renewal() == renewal


def test_a_configuration_that_cannot_be_read_hides_no_other_error(home: Path) -> None:
    (home / "config").write_text("[profile\ncanary")
    assert explain_renewal() == "sign in: aws sso login, with AWS_PROFILE set to the profile"


@pytest.mark.parametrize(
    ("code", "cause"),
    [
        ("ExpiredToken", "they have expired"),
        ("ExpiredTokenException", "they have expired"),
        ("InvalidClientTokenId", "AWS knows no such key id, or the session token belongs to another"),
        ("UnrecognizedClientException", "AWS knows no such key id, or the session token belongs to another"),
        ("SignatureDoesNotMatch", "the secret key does not belong to the key id, or the clock is wrong"),
        ("RequestExpired", "the clock is wrong"),
    ],
)
def test_what_aws_refuses_is_said_with_the_way_to_new_credentials(
    code: str, cause: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = "secretsmanager:GetSecretValue on db"
    monkeypatch.setenv("AWS_PROFILE", "prod")
    error = build_error(code, "canary", call)
    assert isinstance(error, NotSignedIn)
    assert str(error) == f"AWS does not accept the credentials ({code}, {call}): {cause}; aws sso login --profile prod"

    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "canary")
    error = build_error(code, "canary", call)
    assert str(error).endswith(
        f"{cause}; set new ones in AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN"
    )

    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "keyferry-deliver")
    error = build_error(code, "canary", call)
    assert str(error).endswith(f"{cause}; the next try has new ones, or correct the clock")


def test_every_code_has_its_cause() -> None:
    for code in CAUSES:
        assert isinstance(build_error(code, "", "sts:GetCallerIdentity"), NotSignedIn)
