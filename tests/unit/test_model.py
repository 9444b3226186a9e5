"""A secret value cannot be seen, and a delivery's group and deduplication id are what SQS takes."""

import copy
import io
import json
import logging
import pickle
import pprint
import string
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import pytest
from aws_lambda_powertools import Logger
from pydantic import BaseModel, ConfigDict, ValidationError

from keyferry.model import Delivery, SecretValue, SourceValue, shorten
from keyferry.testing import FakeClock
from tests.unit.fake_queues import message
from tests.unit.samples import WHEN, delivery, value

CANARY = "canary-S3cr3t"
HIDDEN = SecretValue(CANARY.encode())


class Holder(BaseModel):
    model_config = ConfigDict(arbitrary_types_allowed=True)
    value: SecretValue


def logged(**settings: Any) -> str:  # noqa: ANN401
    """Return what a Powertools logger writes of a value, wherever it is put."""
    stream = io.StringIO()
    logger = Logger(service="test", logger_handler=logging.StreamHandler(stream), **settings)
    logger.append_keys(held=HIDDEN)
    logger.error(
        {"message": HIDDEN, "list": [HIDDEN]}, extra={"value": HIDDEN, "of": value(CANARY), "in": {"a": HIDDEN}}
    )
    logger.error(HIDDEN)
    logger.error("%s %r", HIDDEN, HIDDEN)
    return stream.getvalue()


SEEN: dict[str, Callable[[], object]] = {
    "str": lambda: str(HIDDEN),
    "repr": lambda: repr(HIDDEN),
    "format": lambda: f"{HIDDEN} {HIDDEN!r} {HIDDEN!s}",
    "percent": lambda: "%s %r %a" % (HIDDEN, HIDDEN, HIDDEN),  # noqa: UP031
    "in a list": lambda: repr([HIDDEN]),
    "in a dict": lambda: repr({"a": HIDDEN}),
    "in its source": lambda: repr(value(CANARY)),
    "pprint": lambda: pprint.pformat({"a": [HIDDEN, value(CANARY)]}),
    "pydantic": lambda: repr(Holder(value=HIDDEN)),
    "pydantic as dict": lambda: repr(Holder(value=HIDDEN).model_dump()),
    "template": lambda: string.Template("$a").substitute(a=HIDDEN),
    "Powertools": logged,
    "error": lambda: repr(ValueError(HIDDEN)) + str(ValueError(HIDDEN)),
    "json by default=str": lambda: json.dumps({"a": HIDDEN}, default=str),
}


@pytest.mark.parametrize("way", SEEN)
def test_no_text_of_a_value_shows_it(way: str) -> None:
    text = str(SEEN[way]())
    assert "SecretValue(…)" in text or "SecretValue(\\u2026)" in text
    assert "canary" not in text


GIVEN: dict[str, Callable[[], object]] = {
    "json": lambda: json.dumps(HIDDEN),
    "pickle": lambda: pickle.dumps(HIDDEN),
    "pickle of its source": lambda: pickle.dumps(value(CANARY)),
    "copy": lambda: copy.copy(HIDDEN),
    "deepcopy": lambda: copy.deepcopy({"a": HIDDEN}),
    "asdict": lambda: asdict(value(CANARY)),
    "vars": lambda: vars(HIDDEN),
    "dict": lambda: dict(HIDDEN),  # type: ignore[call-overload]
    "list": lambda: list(HIDDEN),  # type: ignore[call-overload]
    "bytes": lambda: bytes(HIDDEN),  # type: ignore[call-overload]
    "index": lambda: HIDDEN[0],  # type: ignore[index]
    "width": lambda: f"{HIDDEN:>30}",
    "hash": lambda: hash(HIDDEN),
    "state": HIDDEN.__getstate__,
    "pydantic as json": lambda: Holder(value=HIDDEN).model_dump_json(),
}


@pytest.mark.parametrize("way", GIVEN)
def test_nothing_that_serialises_or_takes_apart_gets_hold_of_a_value(way: str) -> None:
    with pytest.raises((TypeError, ValueError)) as raised:
        GIVEN[way]()
    assert "canary" not in str(raised.value)


def test_a_value_leaves_by_reveal_alone() -> None:
    assert HIDDEN.reveal() == CANARY.encode()
    assert len(HIDDEN) == len(CANARY)
    assert not [name for name in dir(HIDDEN) if not name.startswith("_") and name != "reveal"]


def test_values_are_compared_by_content() -> None:
    assert SecretValue(b"canary") == SecretValue(b"canary")
    assert SecretValue(b"canary") != SecretValue(b"canary-2")
    assert SecretValue(b"canary") != b"canary"
    assert SecretValue("ü".encode()) == SecretValue(b"\xc3\xbc")


def test_a_group_has_mapping_and_cluster_and_at_most_128_characters() -> None:
    assert delivery().group == "payments-db/prod-eu"
    long = delivery(mapping="m" * 253, cluster="c" * 253)
    assert len(long.group) == 128
    assert long.group != delivery(mapping="m" * 253, cluster="c" * 252 + "d").group
    assert all(character in string.ascii_letters + string.digits + "-/." for character in long.group)


@pytest.mark.parametrize(
    "change",
    [{"event_id": "event-2"}, {"cluster": "prod-us"}, {"mapping": "other"}, {"namespace": "payments"}],
)
def test_deduplication_ids_differ_by_event_and_group_and_namespace(change: dict[str, str]) -> None:
    assert delivery().deduplication_id != delivery(**change).deduplication_id


def test_the_same_event_and_group_has_one_deduplication_id_that_sqs_takes() -> None:
    first = delivery().deduplication_id
    assert first == delivery(versions={"db": "version-2"}).deduplication_id
    assert len(first) <= 128
    assert first.isalnum()


def test_a_delivery_survives_its_queue() -> None:
    sent = delivery(namespace="payments", versions={"db": "version-2"})
    assert Delivery.model_validate_json(sent.model_dump_json(by_alias=True, exclude_none=True)) == sent


@pytest.mark.parametrize(
    "wrong", [{"time": "2026-11-24T12:00:00"}, {"time": None}, {"unknown": 1}, {"versions": {"db": 1}}, {"mapping": 1}]
)
def test_a_delivery_of_another_form_is_refused_and_not_quoted(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as raised:
        delivery(**{"canary-key": "canary-value"} | wrong)
    assert "canary-value" not in str(raised.value)


@pytest.mark.parametrize(("length", "limit"), [(63, 63), (64, 63), (253, 63), (300, 128)])
def test_a_name_is_cut_only_where_it_is_too_long_and_never_becomes_another_one(length: int, limit: int) -> None:
    one, other = "a" * length, "a" * (length - 1) + "b"
    assert len(shorten(one, limit)) == min(length, limit)
    assert shorten(one, limit) != shorten(other, limit)
    assert (shorten(one, limit) == one) is (length <= limit)


def test_a_message_knows_its_age() -> None:
    assert 90 <= message("{}", age=90).age_seconds < 95


def test_a_deadline_has_no_time_left_once_it_is_over() -> None:
    clock = FakeClock()
    deadline = clock.deadline(5)
    clock.jump(2)
    assert (deadline.remaining(), deadline.has_passed) == (3, False)
    clock.sleep(4)
    assert (deadline.remaining(), deadline.has_passed) == (0, True)


def test_a_source_value_is_text_unless_it_says_otherwise() -> None:
    assert SourceValue(SecretValue(b"x"), "version-1").binary is False
    assert delivery().time == WHEN


@pytest.mark.parametrize(
    ("body", "document"),
    [('{"a": [1]}', {"a": [1]}), ("null", None), ("", None), ("no json", None), ("[" * 100_000, None)],
    ids=["object", "null", "empty", "text", "too deep"],
)
def test_a_message_without_json_has_no_document(body: str, document: object) -> None:
    assert message(body).document == document
