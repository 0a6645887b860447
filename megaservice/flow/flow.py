"""The AvatarChatbot flow, asr → llm → tts → animation, with the stages a question needs.

Every stage streams: the picture of the first sentence leaves while the model writes the next.
"""

from __future__ import annotations

import uuid
from collections import OrderedDict
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from itertools import pairwise
from typing import Any

from comps.core.client import ClientOptions
from comps.core.errors import UnprocessableError
from comps.core.speech import SpeechChunk, TaggedSentence
from megaservice.flow.animation import AnimationNode
from megaservice.flow.asr import AsrNode
from megaservice.flow.clock import AnswerClock
from megaservice.flow.events import Event, SpeechMeasured
from megaservice.flow.llm import LlmChoices, LlmNode, sentences
from megaservice.flow.request import LiveQuestion, SayText, SpokenAnswer, SpokenQuestion, TurnRequest, TypedQuestion
from megaservice.flow.tts import TtsNode
from megaservice.flow.turn import Turn
from megaservice.stream_graph import Message, StreamGraph
from megaservice.transport.endpoint import Endpoint, Target, open_endpoints

USUAL_RATE_HZ = 22_050
_REMEMBERED_VOICES = 256


class AvatarFlow:
    """Answers questions over four endpoints named ``asr``, ``llm``, ``tts`` and ``animation``.

    An endpoint that no request needs may be missing.
    """

    def __init__(self, endpoints: Mapping[str, Endpoint]) -> None:
        self._endpoints = dict(endpoints)
        self._rates: OrderedDict[tuple[str, str, str], int] = OrderedDict()

    @asynccontextmanager
    async def turn(self, request: TurnRequest, turn_id: str = "") -> AsyncIterator[Turn]:
        """Answer `request`; leaving the context stops whatever of it still runs, everywhere.

        `turn_id` (a new one when empty) goes to every service as the request id.
        """
        turn = Turn(turn_id or uuid.uuid4().hex, request.deadline_s)
        turn.start(_Answer(self, request))
        try:
            yield turn
        finally:
            await turn.close()

    async def spoken(self, request: TurnRequest) -> AsyncGenerator[SpeechChunk, None]:
        """The speech of a `SayText` on one clock, with its phones, without a picture; errors are the TTS service's."""
        if not isinstance(request.input, SayText):
            raise TypeError("only a text can be spoken")
        clock = AnswerClock(self.expected_rate(request))
        tts = TtsNode(self.endpoint("tts"), _unheard, request.voice, engine=request.engines.tts, clock=clock)
        async with aclosing(tts(script(_alone(request.input.text), request.language))) as chunks:
            async for chunk in chunks:
                yield chunk
        if clock.native_rate:
            self.learn_rate(request, clock.native_rate)

    def endpoint(self, stage: str) -> Endpoint:
        """Where `stage` is; raises UnprocessableError when this flow has none."""
        if stage not in self._endpoints:
            raise UnprocessableError(f"this deployment has no {stage} service", service=stage)
        return self._endpoints[stage]

    def expected_rate(self, request: TurnRequest) -> int:
        """Sample rate the voice will have, Hz: the session with the animation opens before the voice speaks."""
        if isinstance(request.input, SpokenAnswer):
            return request.input.sample_rate
        return self._rates.get(_voice_key(request), USUAL_RATE_HZ)

    def learn_rate(self, request: TurnRequest, rate: int) -> None:
        """Remember the rate a voice had, for the next turn."""
        key = _voice_key(request)
        self._rates[key] = rate
        self._rates.move_to_end(key)
        if len(self._rates) > _REMEMBERED_VOICES:
            self._rates.popitem(last=False)


class _Answer:
    """The work of one turn: builds the graph its input needs and runs it."""

    def __init__(self, flow: AvatarFlow, request: TurnRequest) -> None:
        self._flow, self._request = flow, request
        self._clock = AnswerClock(flow.expected_rate(request))

    async def __call__(self, turn: Turn) -> None:
        """Run the graph and pass its media on."""
        try:
            if isinstance(self._request.input, SpokenAnswer) and self._request.input.duration:
                await turn.emit(SpeechMeasured(self._request.input.duration))
            async with self._graph(turn).run(self._source()) as media:
                async for _, event in media:
                    await turn.emit(event)
        finally:
            if self._clock.native_rate:
                self._flow.learn_rate(self._request, self._clock.native_rate)

    async def _source(self) -> AsyncIterator[Message]:
        match self._request.input:
            case SpokenAnswer(chunks=chunks):
                async for chunk in chunks:
                    yield chunk
            case TypedQuestion(text=text) | SayText(text=text):
                yield text
            case _:
                yield self._request.input

    def _graph(self, turn: Turn) -> StreamGraph:
        stages = list(self._stages(turn).items())
        graph = StreamGraph()
        for name, node in stages:
            graph.add(name, node)
        for (before, _), (after, _) in pairwise(stages):
            graph.flow_to(before, after)
        return graph

    def _stages(self, turn: Turn) -> dict[str, Any]:
        """The stages from where the input enters to the picture, in order."""
        request = self._request
        stages: dict[str, Any] = {}
        if isinstance(request.input, SpokenQuestion | LiveQuestion):
            stages["asr"] = turn.clocks.timed("asr", self._asr(turn))
        if isinstance(request.input, SayText):
            stages["script"] = self._script
        elif not isinstance(request.input, SpokenAnswer):
            stages["llm"] = turn.clocks.timed("llm", self._llm(turn))
        if not isinstance(request.input, SpokenAnswer):
            stages["tts"] = turn.clocks.timed("tts", self._tts(turn))
        stages["animation"] = turn.clocks.timed("animation", self._animation())
        return stages

    def _asr(self, turn: Turn) -> AsrNode:
        request = self._request
        return AsrNode(self._flow.endpoint("asr"), turn.emit, language=request.language, engine=request.engines.asr)

    def _llm(self, turn: Turn) -> LlmNode:
        request = self._request
        choices = LlmChoices(request.history, request.language, request.engines.llm, request.sampling)
        return LlmNode(self._flow.endpoint("llm"), turn.emit, choices)

    async def _script(self, texts: AsyncIterator[str]) -> AsyncGenerator[TaggedSentence, None]:
        async for sentence in script(texts, self._request.language):
            yield sentence

    def _tts(self, turn: Turn) -> TtsNode:
        request = self._request
        return TtsNode(
            self._flow.endpoint("tts"), turn.emit, request.voice, engine=request.engines.tts, clock=self._clock
        )

    def _animation(self) -> AnimationNode:
        request = self._request
        endpoint = self._flow.endpoint("animation")
        return AnimationNode(
            endpoint, request.picture, engine=request.engines.animation, sample_rate=self._clock.sample_rate
        )


async def script(texts: AsyncIterator[str], language: str) -> AsyncGenerator[TaggedSentence, None]:
    """A text to be said, as sentences; raises UnprocessableError when there is nothing to say."""
    said = False
    async for sentence in sentences(texts, language):
        said = True
        yield sentence
    if not said:
        raise UnprocessableError("the text has nothing in it that can be said", param="text", service="tts")


async def _alone(text: str) -> AsyncGenerator[str, None]:
    yield text


async def _unheard(event: Event) -> None:
    """Nobody listens."""


def _voice_key(request: TurnRequest) -> tuple[str, str, str]:
    return request.engines.tts, request.voice.voice, request.language


@asynccontextmanager
async def open_flow(targets: Mapping[str, Target], options: ClientOptions | None = None) -> AsyncIterator[AvatarFlow]:
    """An `AvatarFlow` over `targets`: stage name to base URL or in-process app."""
    async with open_endpoints(targets, options) as endpoints:
        yield AvatarFlow(endpoints)
