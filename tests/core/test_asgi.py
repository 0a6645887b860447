from __future__ import annotations

import json
from typing import Any

from starlette.types import Message

from comps.core.errors import NotReadyError
from comps.core.web.asgi import Sent, send_error

ERROR = NotReadyError("still loading")


class Wire:
    """Notes what is sent."""

    def __init__(self) -> None:
        self.messages: list[Message] = []

    async def send(self, message: Message) -> None:
        self.messages.append(message)

    async def receive(self) -> Message:
        return {"type": "http.disconnect"}

    async def fail(self, sent: Sent, **scope: Any) -> list[Message]:
        await send_error(ERROR, "tts", {"headers": [], **scope}, self.receive, sent)
        return self.messages


async def test_an_http_request_gets_a_response() -> None:
    wire = Wire()
    start, body = await wire.fail(Sent(wire.send), type="http", method="GET", path="/")
    assert start["status"] == 503
    assert json.loads(body["body"])["error"]["message"] == "still loading"


async def test_nothing_is_added_to_a_finished_answer() -> None:
    wire = Wire()
    sent = Sent(wire.send)
    await sent({"type": "http.response.start", "status": 200})
    await sent({"type": "http.response.body", "body": b"all"})
    assert sent.status == 200
    assert len(await wire.fail(sent, type="http")) == 2


async def test_a_handshake_is_refused_with_the_response_where_the_server_can() -> None:
    wire = Wire()
    messages = await wire.fail(Sent(wire.send), type="websocket", extensions={"websocket.http.response": {}})
    assert messages[0]["type"] == "websocket.http.response.start"
    assert messages[0]["status"] == 503


async def test_a_handshake_is_closed_where_the_server_cannot() -> None:
    wire = Wire()
    assert await wire.fail(Sent(wire.send), type="websocket") == [
        {"type": "websocket.close", "code": 1013, "reason": ""}
    ]


async def test_an_open_websocket_gets_a_last_message() -> None:
    wire = Wire()
    sent = Sent(wire.send)
    await sent({"type": "websocket.accept"})
    _, message, close = await wire.fail(sent, type="websocket")
    assert json.loads(message["text"])["type"] == "error"
    assert close["code"] == 1011
    assert sent.complete
    assert len(await wire.fail(sent, type="websocket")) == 3
