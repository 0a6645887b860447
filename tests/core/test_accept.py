from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comps.core.web.accept import DOCUMENT, EVENTS, VIDEO, preferred


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        ("", DOCUMENT),
        ("*/*", DOCUMENT),
        ("application/json", DOCUMENT),
        ("video/mp4", VIDEO),
        ("text/event-stream", EVENTS),
        # weights decide
        ("video/mp4;q=0.5, application/json", DOCUMENT),
        ("application/json;q=0.5, Video/MP4;q=0.9", VIDEO),
        ("application/json;q=0.8, text/event-stream;q=0.81, video/mp4;q=0.3", EVENTS),
        ("video/mp4 ; Q = 0.2 , */* ; q=0.1", VIDEO),
        ("video/mp4;q=0.1, */*;q=0.5", DOCUMENT),
        # the most exact range gives a form its weight, in any order
        ("video/*;q=0.9, video/mp4;q=0.1, application/json;q=0.5", DOCUMENT),
        ("*/*, application/json;q=0.1, video/mp4;q=0.2, text/*;q=0", VIDEO),
        ("video/mp4;q=0, */*", DOCUMENT),
        ("application/json;q=0, video/*", VIDEO),
        # among equals the one that is named
        ("video/mp4, */*", VIDEO),
        ("application/json, text/plain, */*", DOCUMENT),
        ("text/html, application/xhtml+xml, application/xml;q=0.9, */*;q=0.8", DOCUMENT),
        ("application/json, video/mp4", VIDEO),
        ("video/*", VIDEO),
        # parameters, commas and weights inside quotes
        ('video/mp4; codecs="avc1.42E01E, mp4a.40.2", application/json;q=0.9', VIDEO),
        # nothing that is made here, or not a weight
        ("image/png", DOCUMENT),
        ("video/mp4;q=0, application/json;q=0", DOCUMENT),
        ("video/mp4;q=much", VIDEO),
        ("video/mp4;q=nan, application/json;q=0.5", VIDEO),
        ("video/mp4;q=-1, application/json;q=0.001", DOCUMENT),
    ],
)
def test_the_form_a_client_likes_best(accept: str, form: str) -> None:
    assert preferred(accept) == form


@given(st.text(st.characters(codec="latin-1"), max_size=60))
def test_any_header_chooses_a_form(accept: str) -> None:
    assert preferred(accept) in (EVENTS, VIDEO, DOCUMENT)


@pytest.mark.parametrize(
    ("accept", "form"),
    [("", DOCUMENT), ("*/*", DOCUMENT), ("video/mp4", VIDEO), ("video/mp4;q=0", DOCUMENT), ("x-video/mp4", DOCUMENT)],
)
def test_a_route_may_have_fewer_forms(accept: str, form: str) -> None:
    assert preferred(accept, (VIDEO, DOCUMENT)) == form
    assert preferred(f"{accept}, text/event-stream", (VIDEO, DOCUMENT)) == form
