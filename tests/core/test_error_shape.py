from __future__ import annotations

import errno

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from comps.core.context import request_id_var
from comps.core.error_shape import (
    error_body,
    error_from_body,
    error_from_response,
    error_headers,
    excerpt,
    framework_error,
    public_error,
)
from comps.core.errors import (
    AvatarError,
    BadRequestError,
    BusyError,
    EngineUnavailableError,
    FaceError,
    ForeignOriginError,
    MethodNotAllowedError,
    NoSpeechError,
    NotFoundError,
    NotReadyError,
    StorageFullError,
    TooLargeError,
    UnknownChoiceError,
    UnprocessableError,
    UnsupportedMediaError,
    UpstreamError,
    UpstreamTimeoutError,
)

TREE = (
    BadRequestError,
    BusyError,
    EngineUnavailableError,
    FaceError,
    NoSpeechError,
    NotFoundError,
    NotReadyError,
    StorageFullError,
    TooLargeError,
    UnknownChoiceError,
    UnprocessableError,
    UnsupportedMediaError,
    UpstreamTimeoutError,
)


def test_the_shape_names_service_param_and_request() -> None:
    error = UnknownChoiceError("no such voice", param="voice")
    assert error_body(error, "tts", "turn-1") == {
        "error": {
            "code": "unknown_choice",
            "message": "no such voice",
            "service": "tts",
            "node": "tts",
            "param": "voice",
            "retryable": False,
            "request_id": "turn-1",
        }
    }


def test_the_service_that_failed_wins_over_the_one_that_reports() -> None:
    assert error_body(UpstreamError("down", service="llm"), "gateway")["error"]["service"] == "llm"


def test_the_request_being_served_is_the_default_id() -> None:
    token = request_id_var.set("turn-2")
    try:
        assert error_body(NoSpeechError("silence"), "asr")["error"]["request_id"] == "turn-2"
    finally:
        request_id_var.reset(token)


def test_a_service_that_takes_us_for_a_page_elsewhere_is_an_upstream_failure() -> None:
    error = error_from_response(
        403, orjson.dumps(error_body(ForeignOriginError("no"), "asr")), "application/json", "asr"
    )
    assert isinstance(error, UpstreamError)
    assert error.service == "asr"


def test_what_is_not_ours_says_nothing() -> None:
    body = error_body(KeyError("/home/me/secret.txt"), "tts")["error"]
    assert (body["code"], body["retryable"]) == ("internal", False)
    assert "secret" not in body["message"]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_called_so_and_names_no_file(number: int) -> None:
    error = public_error(OSError(number, "no space", "/home/me/secret.txt"))
    assert (type(error), error.status) == (StorageFullError, 507)
    assert "secret" not in error.message
    assert type(public_error(OSError(errno.EACCES, "no"))) is AvatarError


@pytest.mark.parametrize("kind", TREE)
def test_every_error_survives_the_wire(kind: type[AvatarError]) -> None:
    body = error_body(kind("what to do", param="field"), "asr", "id")
    back = error_from_response(kind.status, orjson.dumps(body), "application/json; charset=utf-8", "asr")
    assert type(back) is kind
    assert (back.message, back.service, back.param) == ("what to do", "asr", "field")
    assert type(error_from_body(body, "asr")) is kind


@pytest.mark.parametrize(
    ("status", "body", "kind", "words"),
    [
        (400, b'{"detail": "There was an error parsing the body"}', BadRequestError, "parsing the body"),
        (
            422,
            b'{"detail": [{"loc": ["body", "text"], "msg": "Field required"}]}',
            UnprocessableError,
            "Field required",
        ),
        (404, b'{"error": "model llama not found"}', NotFoundError, "model llama"),
        (404, b'{"message": "no route"}', NotFoundError, "no route"),
        (429, b'{"error": {"message": "slow down", "code": null}}', BusyError, "slow down"),
        (429, b"", BusyError, "llm is busy"),
        (401, b'{"error": {"message": "bad key"}}', UpstreamError, "llm answered with status 401: bad key"),
        (405, b'{"detail": "Method Not Allowed"}', UpstreamError, "405"),
        (408, b"", UpstreamTimeoutError, "did not answer in time"),
        (504, b'{"error": {"message": "llm is slow"}}', UpstreamTimeoutError, "llm is slow"),
        (503, b'{"detail": "no healthy upstream"}', UpstreamError, "status 503: no healthy upstream"),
        (500, b'{"error": {"message": "boom", "code": "internal"}}', UpstreamError, "status 500: boom"),
        (404, b"{}", UpstreamError, "status 404: {}"),
        (302, b"", UpstreamError, "llm answered with status 302"),
        (422, b'{"error": {"message": 5}}', UpstreamError, "status 422"),
        (422, b"[1]", UpstreamError, "status 422"),
        (503, b'{"error": {"message": "odd", "code": "face"}}', UpstreamError, "odd"),
    ],
)
def test_answers_of_others_become_ours(status: int, body: bytes, kind: type[AvatarError], words: str) -> None:
    error = error_from_response(status, body, "application/json", "llm")
    assert type(error) is kind
    assert words in error.message
    assert error.service == "llm"


def test_html_is_quoted_shortly_and_on_one_line() -> None:
    page = b"<html>\n\x00\x07<body>" + b"x" * 5000
    error = error_from_response(404, page, "text/html", "llm")
    assert type(error) is UpstreamError
    assert error.message.startswith("llm answered with status 404: <html> <body>xxx")
    assert len(error.message) < 300
    assert error.message.isprintable()


@given(
    status=st.integers(300, 599),
    body=st.binary(max_size=400),
    kind=st.sampled_from(["application/json", "text/html", ""]),
)
def test_any_answer_becomes_an_error_worth_showing(status: int, body: bytes, kind: str) -> None:
    error = error_from_response(status, body, kind, "asr")
    assert error.message
    assert 400 <= error.status < 600
    assert orjson.dumps(error_body(error, "gateway"))


@given(st.binary(max_size=600))
def test_an_excerpt_is_short_and_printable(body: bytes) -> None:
    text = excerpt(body)
    assert len(text) <= 200
    assert text.isprintable()


def test_messages_of_streams_that_say_little() -> None:
    error = error_from_body({"type": "error"}, "tts")
    assert type(error) is UpstreamError
    assert "tts failed" in error.message
    assert type(error_from_body({"error": {"code": "new_code", "message": "m"}}, "tts")) is UpstreamError


def test_when_to_try_again() -> None:
    assert error_headers(BusyError("full", retry_after_s=2.1)) == {"Retry-After": "3"}
    assert error_headers(NotReadyError("loading")) == {"Retry-After": "1"}
    assert error_headers(NoSpeechError("silence")) == {}
    passed_on = error_from_response(429, b'{"error": {"message": "full"}}', "application/json", "llm", retry_after_s=7)
    assert error_headers(passed_on) == {"Retry-After": "7"}


def test_statuses_of_the_framework() -> None:
    assert type(framework_error(405, "m")) is MethodNotAllowedError
    assert type(framework_error(416, "m")) is BadRequestError
    assert framework_error(507, "m").status == 500
