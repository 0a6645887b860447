"""Base64 in JSON fields: strict, and measured before it is decoded."""

from __future__ import annotations

import base64
import binascii
import re

import anyio
import anyio.to_thread

from comps.core.errors import TooLargeError, UnprocessableError

_DATA_URL = re.compile(r"data:[^,]{0,200};base64,", re.IGNORECASE)
_PIECE = 512 * 1024
"""Characters decoded at once, which takes a few milliseconds."""
_DECODERS = anyio.CapacityLimiter(2)


def decode_base64(text: str, param: str, max_bytes: int) -> bytes:
    """The bytes of a base64 string or a ``data:...;base64,`` URL; white space between characters is ignored.

    Args:
        text: what the client sent.
        param: name of its field, for the error.
        max_bytes: most bytes to decode to.

    Raises:
        UnprocessableError: empty, not base64, or cut short.
        TooLargeError: it would decode to more than `max_bytes`.
    """
    prefix = _DATA_URL.match(text)
    start = prefix.end() if prefix else 0
    if _decoded_size(text, start) > max_bytes:
        raise TooLargeError(f"{param} holds more than {max_bytes} bytes, which is the limit", param=param)
    try:
        decoded = _decoded(text, start)
    except (binascii.Error, ValueError) as error:
        raise UnprocessableError(f"{param} is not valid base64", param=param) from error
    if not decoded:
        raise UnprocessableError(f"{param} is empty", param=param)
    return decoded


async def decoded_base64(text: str, param: str, max_bytes: int) -> bytes:
    """As `decode_base64`, in a thread: tens of megabytes would hold up every other request."""
    return await anyio.to_thread.run_sync(decode_base64, text, param, max_bytes, limiter=_DECODERS)


def _decoded(text: str, start: int) -> bytes:
    """What the digits from `start` on mean, a piece at a time: no other thread runs while a piece is decoded."""
    decoded, rest = bytearray(), ""
    for place in range(start, len(text), _PIECE):
        digits = rest + "".join(text[place : place + _PIECE].split())
        # Only the last four digits may hold padding, and which are the last is not known yet.
        whole = max(0, (len(digits) - 4) // 4 * 4)
        if "=" in digits[:whole]:
            raise ValueError("padding in the middle")
        decoded += base64.b64decode(digits[:whole], validate=True)
        rest = digits[whole:]
    return bytes(decoded + base64.b64decode(rest, validate=True))


def _decoded_size(text: str, start: int) -> int:
    """Bytes the digits from `start` on decode to, without copying them."""
    spaces = sum(text.count(space, start) for space in " \t\r\n\v\f")
    end = "".join(text[-64:].split())
    padding = len(end) - len(end.rstrip("="))
    return max(0, (len(text) - start - spaces) // 4 * 3 - padding)
