import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codec.baselines.names import parse
from codec.errors import CodecError


def test_parts() -> None:
    name = parse("semcodec:a/b@c@50,vocab=4096,semantic")
    assert (name.family, name.folder, name.values, name.options) == (
        "semcodec", "a/b@c", ("50", "semantic"), {"vocab": "4096"},
    )  # fmt: skip
    assert parse("snac_24khz").values == ()


@pytest.mark.parametrize("text", ["opus@", "dac_16khz@n=", "dac_16khz@=2", "dac_16khz@n=1,n=2", "semcodec:@50", "opus@6,,7"])
def test_nonsense_is_refused(text: str) -> None:
    with pytest.raises(CodecError, match="codec"):
        parse(text)


@given(st.text(max_size=30))
def test_any_text_parses_or_is_refused(text: str) -> None:
    with contextlib.suppress(CodecError):
        assert parse(text).text == text
