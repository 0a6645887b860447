"""A topic: one thing the knowledge base can speak about."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Topic:
    """One section of a Markdown file.

    Attributes:
        id: unique within its language; topics of the same id in two languages are translations.
        title: the heading, used when the topic is offered ("I can tell you about ...").
        language: primary BCP 47 subtag, such as ``en``.
        examples: questions this topic answers, as written under the heading; may be empty.
        answer: sentences ready to be spoken, in order. More than fit one turn are told on "tell me more".
        breaks: indices into `answer` at which a new paragraph begins, ascending, 0 left out.
        context: the headings above its own, which say what it is about.
        emotion: how to say it, such as ``joy``, or ``""``.
        offered: its place, from 1, when the assistant says what it can answer; 0 leaves it out.
        suggested: its place, from 1, among the questions that are shown to begin with; 0 leaves it out.
    """

    id: str
    title: str
    language: str
    examples: tuple[str, ...]
    answer: tuple[str, ...]
    breaks: tuple[int, ...] = ()
    context: str = ""
    emotion: str = ""
    offered: int = 0
    suggested: int = 0

    @property
    def reserved(self) -> bool:
        """Whether it steers the conversation (greeting, repeat, unknown...) instead of answering a question."""
        return self.id.startswith("talk-")

    def piece(self, start: int, sentences: int) -> tuple[str, ...]:
        """The sentences of one turn from index `start`: up to the paragraph's end, at most `sentences`."""
        end = next((index for index in self.breaks if index > start), len(self.answer))
        return self.answer[start : min(end, start + sentences)]
