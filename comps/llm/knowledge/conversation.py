"""Turns a conversation into the next thing to say.

Nothing is remembered between requests: what was talked about is read from the conversation itself,
by finding the sentences of the knowledge base in what the assistant said.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from comps.core.language.sentences import split_sentences
from comps.llm.engine import Message, Suggestion
from comps.llm.knowledge.base import KnowledgeBase
from comps.llm.knowledge.capitals import Capitals
from comps.llm.knowledge.frames import FILLERS
from comps.llm.knowledge.offer import asking, offer_name
from comps.llm.knowledge.retriever import CHINESE_SCRIPT, KNOWN, OFF_TOPIC, UNKNOWN, Match, Retriever
from comps.llm.knowledge.text import has_cjk, tokens
from comps.llm.knowledge.topic import Topic

SENTENCES_PER_TURN = 3
OFFERS = 3
_MOST_LOOKED_AT = 100
_OFFER_TOPIC = "talk-offer"
_MORE_SPECIFIC = 0.3
_MAX_QUESTION_CHARS = 500

_PRONOUN = {
    "en": re.compile(r"\b(it|its|that|this|they|them|those|these|one)\b", re.IGNORECASE),
    "zh": re.compile("它们|它|这个|那个|这些|那些|他们|他|她"),
}
_LEAD = {
    "en": re.compile(r"^\W*(?:and|but|so|okay|ok|well)?\W*(?:what about|how about|and)\b\W*(?=\w)", re.IGNORECASE),
    "zh": re.compile("^(?:那么|那|然后|还有)(?=.)"),
}
_TAIL_ZH = re.compile("呢[？?]?$")
_JOINED = {"zh": ("、", "或者"), "en": (", ", " or ")}
_OFFER_PLACE = "{topics}"


@dataclass(frozen=True, slots=True)
class Reply:
    """What to say next, sentence by sentence, and how."""

    sentences: tuple[str, ...]
    language: str
    emotion: str = ""


@dataclass(frozen=True, slots=True)
class _Told:
    """The topic spoken about last, and the index of the next sentence of it that has not been said."""

    topic: Topic
    next: int


class Conversation:
    """Answers from a knowledge base.

    Args:
        base: what can be said.
        sentences: most sentences of one turn; "tell me more" continues.
    """

    def __init__(self, base: KnowledgeBase, sentences: int = SENTENCES_PER_TURN) -> None:
        self.base = base
        self._retriever = Retriever(base)
        self._sentences = sentences
        self._capitals = Capitals(_english(base))
        self._names = {(topic.language, topic.id): self._offer_name(topic) for topic in base}
        self._places = {
            _key(sentence): (topic, number) for topic in base for number, sentence in enumerate(topic.answer)
        }

    def reply(self, messages: Sequence[Message], language: str = "") -> Reply:
        """The answer to the last message; `language` is a language of the base, or ``""`` for the question's own."""
        question = messages[-1].content[-_MAX_QUESTION_CHARS:]
        before = messages[:-1]
        spoken = language or self._language_of(question, before)
        told = self._told(before)
        match = self._find(question, told, before)
        if match.score < KNOWN or match.topic.id == OFF_TOPIC:
            return self._unknown(spoken, before)
        return self._answer(match.topic, spoken, told, before)

    def suggestions(self, language: str, count: int) -> tuple[Suggestion, ...]:
        """At most `count` questions to begin with, each of which finds its topic; what there is to ask comes first.

        `language` is a language of the base, or ``""`` for the one it says most in.
        """
        spoken = language or (*self.base.languages, "en")[0]
        overview = self.base.get(_OFFER_TOPIC, spoken)
        topics = [*([overview] if overview else []), *self._to_suggest(spoken)]
        asked = ((topic, self._question_for(topic)) for topic in topics[:_MOST_LOOKED_AT])
        found = (Suggestion(question, topic.language) for topic, question in asked if question)
        return tuple(islice(found, count))

    def _to_suggest(self, language: str) -> list[Topic]:
        """Topics whose author wants them suggested, in that order; without any those on offer, then the others."""
        own = [topic for topic in self.base if not topic.reserved and topic.language == language]
        marked = sorted((topic for topic in own if topic.suggested), key=lambda topic: topic.suggested)
        offered = sorted((topic for topic in own if topic.offered), key=lambda topic: topic.offered)
        return marked or [*offered, *(topic for topic in own if not topic.offered)]

    def _question_for(self, topic: Topic) -> str:
        """A question that this topic answers, ``""`` when none of the likely ones finds it."""
        for question in (*topic.examples[:1], asking(topic.title, topic.language, self._capitals)):
            match = self._retriever.search(question, 1)[0]
            if match.score >= KNOWN and match.topic.id == topic.id:
                return question
        return ""

    def _language_of(self, question: str, before: Sequence[Message]) -> str:
        """Language to answer in; a question without any word, such as "3009?", goes on in the last one's."""
        for text in (question, *(m.content for m in reversed(before) if m.role == "user")):
            if any(char.isalpha() for char in text):
                break
        spoken = [tag for tag in self.base.languages if (tag in CHINESE_SCRIPT) == has_cjk(text)]
        return (spoken or list(self.base.languages) or ["en"])[0]

    def _find(self, question: str, told: _Told | None, before: Sequence[Message]) -> Match:
        """The best topic, with the question understood by itself or by what was spoken about."""
        alone = self._retriever.search(question, 1)[0]
        if told is None or (alone.topic.reserved and alone.topic.id != OFF_TOPIC and alone.score >= KNOWN):
            return alone
        best, mark = alone, 0.0 if alone.topic.id == OFF_TOPIC else alone.score
        for variant in _in_context(question, told.topic, before):
            match = self._retriever.search(variant, 1)[0]
            bonus = _MORE_SPECIFIC if _is_closer(match.topic, told.topic) else 0.0
            if match.score >= KNOWN and match.score + bonus > mark and not match.topic.reserved:
                best, mark = match, match.score + bonus
        return best

    def _answer(self, topic: Topic, language: str, told: _Told | None, before: Sequence[Message]) -> Reply:
        if topic.id == "talk-repeat" and (said := _last_said(before)):
            return Reply(tuple(sentence.strip() for sentence in split_sentences(said)), language)
        if topic.id == "talk-more" and told is not None:
            told_topic = self.base.in_language(told.topic, language)
            if rest := told_topic.piece(told.next, self._sentences):
                return Reply(rest, told_topic.language, told_topic.emotion)
        if topic.id == "talk-yes" and (offered := self._offered_before(before)):
            topic = offered
        chosen = self.base.in_language(topic, language)
        return self._fill(chosen, chosen.piece(0, self._sentences), before)

    def _unknown(self, language: str, before: Sequence[Message]) -> Reply:
        unknown = self.base.get(UNKNOWN, language) or self.base.get(UNKNOWN, "en")
        if unknown is None:
            raise LookupError(f"the shipped small talk has no topic '{UNKNOWN}'")
        return self._fill(unknown, unknown.piece(0, self._sentences), before)

    def _fill(self, topic: Topic, sentences: tuple[str, ...], before: Sequence[Message]) -> Reply:
        """Put the topics on offer where a sentence has a place for them."""
        if not any(_OFFER_PLACE in sentence for sentence in sentences):
            return Reply(sentences, topic.language, topic.emotion)
        titles = _join([self._name(offer) for offer in self._offers(topic.language, before)], topic.language)
        filled = (sentence.replace(_OFFER_PLACE, titles) for sentence in sentences)
        return Reply(tuple(filled), topic.language, topic.emotion)

    def _offers(self, language: str, before: Sequence[Message]) -> list[Topic]:
        """Topics to name, those not named yet first."""
        own = [topic for topic in self.base if not topic.reserved and topic.language == language]
        own = own or [topic for topic in self.base if not topic.reserved]
        marked = sorted((topic for topic in own if topic.offered), key=lambda topic: topic.offered) or own
        heard = " ".join(message.content for message in before if message.role == "assistant")
        fresh = [topic for topic in marked if self._name(topic) not in heard and topic.answer[0] not in heard]
        return (fresh + [topic for topic in marked if topic not in fresh])[:OFFERS]

    def _offered_before(self, before: Sequence[Message]) -> Topic | None:
        """The topic named first in what was said last, if topics were offered there."""
        said = _last_said(before)
        named = [(said.find(name), t) for t in self.base if not t.reserved and (name := self._name(t)) in said]
        return min(named, key=lambda pair: pair[0])[1] if len(named) >= OFFERS - 1 else None

    def _name(self, topic: Topic) -> str:
        """What a topic is called in the middle of a sentence."""
        return self._names[topic.language, topic.id]

    def _offer_name(self, topic: Topic) -> str:
        return offer_name(self._capitals.within_sentence(topic.title) if topic.language == "en" else topic.title)

    def _told(self, before: Sequence[Message]) -> _Told | None:
        for message in reversed(before):
            if message.role == "assistant":
                places = [self._places.get(_key(s)) for s in split_sentences(message.content)]
                known = [place for place in places if place is not None and not place[0].reserved]
                if known:
                    topic, last = known[-1]
                    return _Told(topic, last + 1)
        return self._asked(before)

    def _asked(self, before: Sequence[Message]) -> _Told | None:
        """What the user asked about last, when the answers came from another engine."""
        for message in list(reversed(before))[:4]:
            if message.role == "user":
                match = self._retriever.search(message.content[-_MAX_QUESTION_CHARS:], 1)[0]
                if match.score >= KNOWN and not match.topic.reserved:
                    return _Told(match.topic, 0)
        return None


def _english(base: KnowledgeBase) -> Iterator[str]:
    """Every heading, question and sentence of a base that is in English."""
    for topic in base:
        if topic.language == "en":
            yield from (topic.title, topic.context, *topic.examples, *topic.answer)


def _in_context(question: str, topic: Topic, before: Sequence[Message]) -> Iterator[str]:
    """The question with what it leaves unsaid put in."""
    language = "zh" if has_cjk(question) else "en"
    if _is_name(topic.title) and _PRONOUN[language].search(question):
        yield _PRONOUN[language].sub(topic.title, question, count=1)
    rest = _LEAD[language].sub("", _TAIL_ZH.sub("", question))
    if rest != question:
        yield rest
        yield f"{_last_question(before)} {rest}"


def _is_name(title: str) -> bool:
    """Whether a pronoun can stand for `title`: "ports" yes, "how to start me" no."""
    return not FILLERS.intersection(tokens(title))


def _is_closer(topic: Topic, told: Topic) -> bool:
    """Whether `topic` is about something of `told`, or `told` is a thing with a name and asked about again."""
    if topic.id == told.id:
        return told.title != told.title.lower()
    return set(tokens(told.title)) <= set(tokens(" ".join((topic.title, *topic.examples))))


def _last_question(before: Sequence[Message]) -> str:
    asked = next((message.content for message in reversed(before) if message.role == "user"), "")
    return asked[-_MAX_QUESTION_CHARS:]


def _last_said(before: Sequence[Message]) -> str:
    return next((message.content for message in reversed(before) if message.role == "assistant"), "")


def _key(sentence: str) -> str:
    return " ".join(tokens(sentence))


def _join(titles: Sequence[str], language: str) -> str:
    comma, last = _JOINED.get(language, (", ", ", "))
    return last.join([comma.join(titles[:-1]), titles[-1]]) if len(titles) > 1 else "".join(titles)
