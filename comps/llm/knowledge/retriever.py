"""Finds the topic that a question is about, or tells that there is none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from comps.llm.knowledge.base import KnowledgeBase
from comps.llm.knowledge.features import Features, letters, sound_runs, stems
from comps.llm.knowledge.frames import ASKING, FRAMES, frame_length
from comps.llm.knowledge.index import NgramIndex, Scores
from comps.llm.knowledge.keywords import KeywordIndex
from comps.llm.knowledge.phonetics import sounds
from comps.llm.knowledge.text import has_cjk, tokens
from comps.llm.knowledge.topic import Topic

KNOWN = 0.46
"""Fit from which a topic answers a question; calibrated on the questions of `tests/data`."""

UNKNOWN = "talk-unknown"
"""Id of the topic that says so when nothing fits."""

_FOREIGN_WORD, _MOST_FOREIGN = 0.1, 2
_CONTENT_WORD = 1.0
_FOREIGN_IN = frozenset({"en"})  # where fillers and word families are known
# What each word costs that no topic knows: "how do I start a motorcycle" is not about starting the program.

_NO_QUESTION = 0.3
# What a question loses as small talk that is never asked: "do you have a job for me" is no compliment ("good job").

_SCALES = {"zh": 1.2}
# Chinese questions share fewer n-grams with what they mean: fits are put on the scale of `KNOWN`.

OFF_TOPIC = "talk-off-topic"
"""Id of the topic whose examples are questions about something else; they have no content in common."""

_EXPLAINED, _PER_TOPIC = 0.51, 0.004
_LIKENESS = 0.2
# Share of a question that a topic must explain by its words to answer it: more in a larger base, where words that
# belong to several topics are many. Likeness decides between topics that explain the same.

CHINESE_SCRIPT = frozenset({"zh", "ja", "yue"})


@dataclass(frozen=True, slots=True)
class Match:
    """A topic and how well it fits the question, 0 to 1."""

    topic: Topic
    score: float


class _LanguageIndex:
    """The topics of one language and their indexes by letters, by sound and by content."""

    def __init__(self, language: str, topics: Sequence[Topic]) -> None:
        self.language = language
        # Of topics that fit alike the first is chosen: the folder's own before small talk.
        self.topics = topics = sorted(topics, key=lambda topic: topic.reserved)
        entries = [(number, text) for number, topic in enumerate(topics) for text in _questions(topic)]
        self._owners = np.array([number for number, _ in entries], dtype=np.int32)
        texts = [text for _, text in entries]
        frames = FRAMES.get(language, ())
        self._letters = NgramIndex(texts, frames, letters)
        self._sounds = NgramIndex(texts, frames, self._sound_runs)
        self._diverse = [number for number, topic in enumerate(topics) if topic.id == OFF_TOPIC]
        self._about = [number for number, topic in enumerate(topics) if topic.id != OFF_TOPIC]
        self._content = NgramIndex([_content(topic) for topic in topics], frames, stems)
        self._own = [number for number, topic in enumerate(topics) if not topic.reserved]
        self._said = [n for n, topic in enumerate(topics) if topic.reserved and not any(map(_asks, topic.examples))]
        self._keywords = KeywordIndex([topics[number] for number in self._own])

    def _sound_runs(self, text: str) -> Features:
        words = tokens(text)
        frame = frame_length(words, self.language)
        whole, rest = (sounds(" ".join(part), self.language) for part in (words, words[frame:]))
        # Chinese syllables differ by little more than their vowel.
        return sound_runs(whole, rest, skeleton=self.language not in CHINESE_SCRIPT)

    def scores(self, question: str) -> Scores:
        """Fit of every topic, 0 to 1, float32 `[topics]`."""
        by_letters = self._best(self._letters.scores(question))
        by_sound = self._best(self._sounds.scores(question))
        content = self._content.coverage(question)
        content[self._diverse] = by_letters[self._diverse]
        fit = combine(by_letters, by_sound, content)
        if self.language in _FOREIGN_IN:
            fit[self._about] -= _FOREIGN_WORD * min(self._content.unseen(question, _CONTENT_WORD), _MOST_FOREIGN)
            if _asks(question):
                fit[self._said] -= _NO_QUESTION
            likeness = fit[self._own]
            fit[self._own] = np.maximum(likeness, self._by_words(question, likeness))
        scaled: Scores = fit * np.float32(_SCALES.get(self.language, 1.0))
        return scaled

    def _by_words(self, question: str, likeness: Scores) -> Scores:
        """Fit of the base's own topics by the share of the question that they explain."""
        needed = _EXPLAINED + _PER_TOPIC * len(self._own)
        explained = self._keywords.scores(question) - np.float32(needed)
        fit: Scores = explained + np.float32(KNOWN) + _LIKENESS * np.maximum(likeness, 0.0).astype(np.float32)
        return fit

    def _best(self, entry_scores: Scores) -> Scores:
        best = np.zeros(len(self.topics), dtype=np.float32)
        np.maximum.at(best, self._owners, entry_scores)
        return best


def combine(by_letters: Scores, by_sound: Scores, content: Scores) -> Scores:
    """One score out of three: the sound alone may carry it, or letters together with the words explained."""
    fit: Scores = np.maximum(by_sound + 0.05, 0.5 * by_letters + 0.4 * content + 0.15 * by_sound)
    return fit


def _questions(topic: Topic) -> list[str]:
    """What a topic is found by."""
    if topic.examples:
        return [*topic.examples, *([] if topic.reserved else [topic.title])]
    if topic.id == UNKNOWN:
        return []
    return [topic.title, f"{topic.context} {topic.title}"] if topic.context else [topic.title]


def _asks(text: str) -> bool:
    """Whether `text` begins as English questions do."""
    return not ASKING.isdisjoint(tokens(text)[:1])


def _content(topic: Topic) -> str:
    if topic.id == OFF_TOPIC:
        return ""
    if topic.reserved:
        return " ".join(topic.examples)
    return "\n".join((topic.context, topic.title, *topic.examples, *topic.answer))


class Retriever:
    """Topics for questions, over every language of a knowledge base."""

    def __init__(self, base: KnowledgeBase) -> None:
        by_language: dict[str, list[Topic]] = {}
        for topic in base:
            by_language.setdefault(topic.language, []).append(topic)
        self._indexes = [_LanguageIndex(language, topics) for language, topics in by_language.items()]

    def search(self, question: str, limit: int = 5) -> list[Match]:
        """The best topics for `question`, best first, at most `limit`; a fit of `KNOWN` or more is an answer."""
        matches: list[Match] = []
        for index in self._for_script(question):
            scores = index.scores(question)
            best = np.argsort(-scores, kind="stable")[:limit]
            matches += [Match(index.topics[number], float(scores[number])) for number in best]
        return sorted(matches, key=lambda match: -match.score)[:limit]

    def _for_script(self, question: str) -> list[_LanguageIndex]:
        """Indexes of the languages `question` may be in: those written with Chinese characters, or the others."""
        chinese = has_cjk(question)
        fitting = [index for index in self._indexes if (index.language in CHINESE_SCRIPT) == chinese]
        return fitting or self._indexes
