"""Keys are rewritten, and values decoded, as Go does it for External Secrets; or the rule is refused."""

import base64

from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from keyferry.budget import Budget
from keyferry.formats.encodings import Decoding, decode
from keyferry.mapping.keys import Regexp
from tests.oracle import expressions
from tests.oracle.ask import Oracle
from tests.oracle.conftest import COMPARED

_STRATEGIES: dict[str, Decoding] = {"Base64": "base64", "Base64URL": "base64url", "Auto": "auto"}
_noise = st.text("ABab01+/-_= \r\n\t!é", max_size=12).map(str.encode)
_encoded = st.tuples(
    st.binary(max_size=12), st.sampled_from((base64.b64encode, base64.urlsafe_b64encode)), st.integers(0, 16), _noise
).map(lambda parts: _spoil(parts[1](parts[0]), parts[2], parts[3]))


def _spoil(content: bytes, place: int, noise: bytes) -> bytes:
    """Put a sign or two into half of the values."""
    return content[:place] + noise[: place % 3] + content[place:]


@given(source=expressions.sources, target=expressions.targets, keys=st.lists(expressions.keys, min_size=1, max_size=6))
def test_a_key_is_rewritten_as_by_the_original(oracle: Oracle, source: str, target: str, keys: list[str]) -> None:
    try:
        rule = Regexp(source=source, target=target)
    except ValidationError:
        return
    answer = oracle.ask("regexp", source=source, target=target, keys=keys)
    COMPARED["rewrites by regexp"] += 1
    assert not answer.error
    assert [rule.replace(key, Budget()) for key in keys] == list(answer.keys)


@given(strategy=st.sampled_from(sorted(_STRATEGIES)), content=_encoded | _noise | st.binary(max_size=8))
def test_a_value_is_decoded_as_by_the_original(oracle: Oracle, strategy: str, content: bytes) -> None:
    answer = oracle.ask("decode", strategy=strategy, text=content)
    COMPARED["decodings"] += 1
    try:
        decoded = decode(content, _STRATEGIES[strategy])
    except ValueError:
        assert answer.error
    else:
        assert (answer.error, answer.text) == ("", decoded)
