"""ARNs are taken apart in one place, and come together as they were."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyferry.arn import Arn

PART = st.text(st.characters(exclude_characters=":"), max_size=12)


@given(st.tuples(PART, PART, PART, PART, st.text(max_size=30)))
def test_an_arn_comes_together_as_it_was(parts: tuple[str, ...]) -> None:
    text = ":".join(["arn", *parts])
    arn = Arn.parse(text)
    assert arn is not None
    assert (arn.partition, arn.service, arn.region, arn.account, arn.resource) == parts
    assert str(arn) == text


@pytest.mark.parametrize("text", ["", "prod/db", "arn", "arn:aws:s3", "arn:aws:iam::111122223333", "ARN:a:b:c:d:e"])
def test_what_has_not_all_parts_is_none(text: str) -> None:
    assert Arn.parse(text) is None


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("arn:aws:ssm:eu-west-1:111122223333:parameter/prod/tls", "prod/tls"),
        ("arn:aws-cn:ssm:cn-north-1:111122223333:parameter/a:b", "a:b"),
        ("arn:aws:ssm:eu-west-1:111122223333:parameter/", None),
        ("arn:aws:ssm:eu-west-1:111122223333:document/x", None),
        ("arn:aws:secretsmanager:eu-west-1:111122223333:parameter/x", None),
        ("arn:aws:ssm::111122223333:parameter/x", None),
        ("arn:aws:ssm:*:111122223333:parameter/x", None),
        ("arn:*:ssm:eu-west-1:111122223333:parameter/x", None),
        ("arn::ssm:eu-west-1:111122223333:parameter/x", None),
        ("arn:aws:ssm:${cluster}:111122223333:parameter/x", None),
        ("arn:aws:ssm:EU-WEST-1:111122223333:parameter/x", None),
        ("arn:aws:ssm:eu-west-1:1111:parameter/x", None),
        ("arn:aws:ssm:eu-west-1:11112222333x:parameter/x", None),
    ],
)
def test_the_name_is_what_stands_behind_the_kind_in_a_region_of_an_account(text: str, name: str | None) -> None:
    arn = Arn.parse(text)
    assert arn is not None
    assert arn.name_of("ssm", "parameter/") == name
