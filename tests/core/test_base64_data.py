from __future__ import annotations

import base64
import threading
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comps.core.errors import TooLargeError, UnprocessableError
from comps.core.media import base64_data
from comps.core.media.base64_data import decode_base64, decoded_base64

PREFIXES = ("", "data:audio/wav;base64,", "DATA:;BASE64,", "data:audio/webm;codecs=opus;base64,")


@given(data=st.binary(min_size=1, max_size=300), prefix=st.sampled_from(PREFIXES), width=st.integers(1, 80))
def test_every_byte_string_comes_back(data: bytes, prefix: str, width: int) -> None:
    text = base64.b64encode(data).decode()
    wrapped = "\n".join(text[i : i + width] for i in range(0, len(text), width)) + "\r\n"
    assert decode_base64(prefix + text, "audio", len(data)) == data
    assert decode_base64(prefix + wrapped, "audio", len(data)) == data


@given(data=st.binary(min_size=2, max_size=300), prefix=st.sampled_from(PREFIXES))
def test_one_byte_over_the_limit_is_too_large(data: bytes, prefix: str) -> None:
    with pytest.raises(TooLargeError) as refused:
        decode_base64(prefix + base64.b64encode(data).decode(), "image", len(data) - 1)
    assert refused.value.param == "image"


@given(text=st.text(max_size=60))
def test_any_text_decodes_or_is_refused_politely(text: str) -> None:
    with suppress(UnprocessableError, TooLargeError):
        assert len(decode_base64(text, "audio", 20)) <= 20


@pytest.mark.parametrize(
    "text", ["", "   \n", "data:audio/wav;base64,", "a", "abc", "ab!d", "äöüß", "QUJD=QUJD", "=AAA", "Q" * 5]
)
def test_what_is_not_base64_is_unprocessable(text: str) -> None:
    with pytest.raises(UnprocessableError) as refused:
        decode_base64(text, "byte_str", 1000)
    assert refused.value.param == "byte_str"


@given(data=st.binary(min_size=1, max_size=300), width=st.integers(1, 30), piece=st.integers(1, 40))
def test_pieces_of_any_size_make_the_same(data: bytes, width: int, piece: int) -> None:
    text = base64.b64encode(data).decode()
    wrapped = " ".join(text[i : i + width] for i in range(0, len(text), width))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(base64_data, "_PIECE", piece)
        assert decode_base64(wrapped, "audio", len(data)) == data
        with pytest.raises(UnprocessableError):
            decode_base64("QQ==" + wrapped, "audio", len(data) + 4)


def test_the_size_is_known_before_decoding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base64, "b64decode", lambda *_, **__: pytest.fail("decoded"))
    with pytest.raises(TooLargeError):
        decode_base64("A" * 1_000_000, "audio", 1000)


async def test_the_event_loop_does_not_decode() -> None:
    class Text(str):
        def split(self, *args: object) -> list[str]:
            threads.add(threading.current_thread())
            return [str(self)]

        def __getitem__(self, key: object) -> Text:
            return Text(str.__getitem__(self, key))  # type: ignore[index]

    threads: set[threading.Thread] = set()
    assert await decoded_base64(Text("YWJj"), "audio", 10) == b"abc"
    assert threads
    assert threading.current_thread() not in threads
    with pytest.raises(UnprocessableError, match="audio is not valid base64"):
        await decoded_base64("!!!!", "audio", 10)
