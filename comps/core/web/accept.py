"""Which form of reply an ``Accept`` header asks for (RFC 9110, section 12.5.1)."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.request import parse_http_list

EVENTS, VIDEO, DOCUMENT = "text/event-stream", "video/mp4", "application/json"
FORMS = (EVENTS, VIDEO, DOCUMENT)
"""Among forms that a client names and likes equally the first wins: who names the video beside JSON takes errors as JSON."""
_EXACT = 2


def preferred(accept: str, forms: Sequence[str] = FORMS) -> str:
    """One of `forms`, of which the last is `DOCUMENT`: that of the highest weight, among equals the one named most exactly.

    `DOCUMENT` when the header is empty, leaves the choice open (``*/*``) or refuses every form: such a header may be
    disregarded, and errors are documents too.
    """
    ranges = [_range(item) for item in parse_http_list(accept.lower())]
    ranks = {form: _rank(form, ranges) for form in forms}
    best = max(ranks.values())
    equals = [form for form in forms if ranks[form] == best]
    if best[0] == 0:
        return DOCUMENT
    return equals[0] if best[1] == _EXACT else equals[-1]


def _rank(form: str, ranges: list[tuple[str, float]]) -> tuple[float, int]:
    """Weight and exactness of the most exact range that holds `form`; of several the last counts."""
    patterns = ("*/*", f"{form.partition('/')[0]}/*", form)
    fitting = [(patterns.index(name), weight) for name, weight in ranges if name in patterns]
    if not fitting:
        return 0.0, 0
    exactness, weight = max(reversed(fitting), key=lambda pair: pair[0])
    return weight, exactness


def _range(item: str) -> tuple[str, float]:
    """A media range without its parameters, and its weight from 0 to 1; 1 where it is missing or no number."""
    name, *parameters = (part.strip() for part in item.split(";"))
    weights = [value.strip() for key, _, value in (part.partition("=") for part in parameters) if key.strip() == "q"]
    return name, _weight(weights[-1]) if weights else 1.0


def _weight(text: str) -> float:
    try:
        weight = float(text)
    except ValueError:
        return 1.0
    return min(max(weight, 0.0), 1.0) if weight == weight else 1.0
