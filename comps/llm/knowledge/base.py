"""The knowledge base: every topic of a folder of Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from comps.core.errors import EngineUnavailableError
from comps.llm.knowledge.markdown import parse
from comps.llm.knowledge.topic import Topic

SHIPPED = Path(__file__).resolve().parent.parent / "knowledge_base"
"""The folder about the product itself, used when no other is set."""
CONVERSATION = "conversation.md"
"""Name of the shipped files that hold small talk; they join every folder."""

MAX_FILES = 2000
MAX_FILE_BYTES = 1024 * 1024
MAX_TOPICS = 20_000


class KnowledgeBase:
    """Topics by language and id.

    Args:
        topics: in order of precedence: a later topic replaces an earlier one of the same language and id.
    """

    def __init__(self, topics: Iterable[Topic]) -> None:
        self._topics = {(topic.language, topic.id): topic for topic in topics}

    @classmethod
    def load(cls, folder: Path = SHIPPED) -> KnowledgeBase:
        """Read every ``*.md`` below `folder`, and the shipped small talk in the languages found there.

        Raises:
            EngineUnavailableError: no such folder, nothing to say in it, a file that cannot be read, or too much.
        """
        topics = list(_unique(_read_folder(folder)))
        if not topics:
            raise EngineUnavailableError(f"the knowledge folder '{folder.name}' holds no Markdown with any text")
        if len(topics) > MAX_TOPICS:
            raise EngineUnavailableError(f"the knowledge folder '{folder.name}' has over {MAX_TOPICS} topics")
        spoken = {topic.language for topic in topics} | {"en"}
        small_talk = [topic for topic in _small_talk() if topic.language in spoken]
        return cls([*small_talk, *topics])

    def __iter__(self) -> Iterator[Topic]:
        return iter(self._topics.values())

    def __len__(self) -> int:
        return len(self._topics)

    @property
    def languages(self) -> tuple[str, ...]:
        """Languages that have topics of their own, small talk apart, by number of topics."""
        counts: dict[str, int] = {}
        for topic in self:
            counts[topic.language] = counts.get(topic.language, 0) + (not topic.reserved)
        return tuple(sorted((name for name, count in counts.items() if count), key=lambda name: -counts[name]))

    def get(self, topic_id: str, language: str) -> Topic | None:
        """The topic `topic_id` in `language`, if there is one."""
        return self._topics.get((language, topic_id))

    def in_language(self, topic: Topic, language: str) -> Topic:
        """The translation of `topic`, or `topic` itself when it has none."""
        return self._topics.get((language, topic.id), topic)


def _small_talk() -> Iterator[Topic]:
    for path in sorted(SHIPPED.glob(f"*/{CONVERSATION}")):
        yield from _read_file(path)


def _read_folder(folder: Path) -> Iterator[Topic]:
    if not folder.is_dir():
        raise EngineUnavailableError(
            f"there is no knowledge folder '{folder}': AVATAR_KNOWLEDGE_DIR names a folder of Markdown that exists"
        )
    paths = sorted(path for path in folder.rglob("*.md") if path.is_file())
    if len(paths) > MAX_FILES:
        raise EngineUnavailableError(f"the knowledge folder '{folder.name}' has over {MAX_FILES} files")
    for path in paths:
        yield from _read_file(path)


def _read_file(path: Path) -> list[Topic]:
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise ValueError(f"it has more than {MAX_FILE_BYTES} bytes")
        return parse(path.read_text(encoding="utf-8"), path.stem)
    except (OSError, ValueError) as error:
        raise EngineUnavailableError(f"knowledge file '{path.name}' cannot be used: {error}") from error


def _unique(topics: Iterable[Topic]) -> Iterator[Topic]:
    """Topics of one folder with ids made unique: headings such as "Overview" occur in many files."""
    seen: dict[tuple[str, str], int] = {}
    for topic in topics:
        key = (topic.language, topic.id)
        seen[key] = seen.get(key, 0) + 1
        yield topic if seen[key] == 1 else replace(topic, id=f"{topic.id}-{seen[key]}")
