from __future__ import annotations

from pathlib import Path

import pytest

from comps.llm.engine import Message
from comps.llm.knowledge.base import KnowledgeBase
from comps.llm.knowledge.conversation import Conversation, Reply


def talk(conversation: Conversation, *questions: str, language: str = "") -> list[Reply]:
    """Ask one after the other, each with the history before it."""
    history: list[Message] = []
    replies: list[Reply] = []
    for question in questions:
        history.append(Message("user", question))
        replies.append(conversation.reply(history, language))
        history.append(Message("assistant", " ".join(replies[-1].sentences)))
    return replies


def answer_of(base: KnowledgeBase, topic_id: str, language: str = "en") -> str:
    topic = base.get(topic_id, language)
    assert topic is not None
    return topic.answer[0]


@pytest.mark.parametrize(
    ("questions", "topic"),
    [
        (["what is wav2lip", "and what licence does it have?"], "weights-licence"),
        (["what is wav2lip", "when will that be available?"], "wav2lip"),
        (["what is wav2lip", "what about sad talker"], "sadtalker"),
        (["what ports do you use", "how do i change it?"], "port-taken"),
        (["how do i install it", "and on windows?"], "systems"),
        (["how do i install it", "and how much does that cost?"], "cost"),
        (["how do i install it", "how much memory does it need?"], "memory"),
        (["what is avatarchatbot", "who made it"], "credits"),
        (["can i use my own photo", "and a painting?"], "good-picture"),
        (["what can you do", "yes please"], "what"),
        (["what can you do", "privacy"], "privacy"),
        (["什么是 Wav2Lip", "它的许可证是什么"], "weights-licence"),
        (["怎么启动", "那要多少钱呢"], "cost"),
    ],
)
def test_questions_that_lean_on_what_was_said(
    conversation: Conversation, base: KnowledgeBase, questions: list[str], topic: str
) -> None:
    last = talk(conversation, *questions)[-1]
    assert last.sentences[0] == answer_of(base, topic, last.language)


def test_more_is_told_until_there_is_no_more(conversation: Conversation, base: KnowledgeBase) -> None:
    first, second, third, fourth = talk(conversation, "what is avatarchatbot", *["tell me more"] * 3)
    topic = base.get("what", "en")
    assert topic is not None
    assert (*first.sentences, *second.sentences, *third.sentences) == topic.answer
    assert fourth.sentences[0].startswith("That is all I know")


def test_repeat_says_the_last_answer_again_whoever_gave_it(conversation: Conversation) -> None:
    first, again, twice = talk(conversation, "what ports do you use", "repeat that please", "say that again")
    assert first.sentences == again.sentences == twice.sentences
    foreign = [
        Message("user", "who was Ada Lovelace"),
        Message("assistant", "A mathematician. She wrote the first program."),
        Message("user", "could you say that again"),
    ]
    assert conversation.reply(foreign).sentences == ("A mathematician.", "She wrote the first program.")


def test_more_and_repeat_without_anything_before(conversation: Conversation) -> None:
    assert "not said anything" in talk(conversation, "repeat that")[0].sentences[0]
    assert "all I know" in talk(conversation, "tell me more")[0].sentences[0]


def test_the_topic_is_known_when_another_engine_answered(conversation: Conversation, base: KnowledgeBase) -> None:
    history = [
        Message("user", "what is wav2lip"),
        Message("assistant", "It is a lip synchronisation network."),
        Message("user", "tell me more"),
    ]
    assert conversation.reply(history).sentences[0] == answer_of(base, "wav2lip")


@pytest.mark.parametrize("question", ["what is the capital of france", "how do i bake bread", "xyzzy plugh"])
def test_it_says_plainly_that_it_does_not_know_and_offers_what_it_does(
    conversation: Conversation, question: str
) -> None:
    (reply,) = talk(conversation, question)
    said = " ".join(reply.sentences)
    assert "do not know" in said
    assert "what AvatarChatbot is, how to start me or privacy" in said


def test_other_topics_are_offered_the_next_time(conversation: Conversation) -> None:
    first, second = talk(conversation, "what is the capital of france", "who won the world cup")
    assert first.sentences != second.sentences


@pytest.mark.parametrize(
    ("said", "start"),
    [("hello", "Hello!"), ("thank you", "You are welcome!"), ("goodbye", "Goodbye!"), ("no thanks", "All right.")],
)
def test_small_talk(conversation: Conversation, said: str, start: str) -> None:
    assert talk(conversation, said)[0].sentences[0] == start


def test_moods_travel_with_the_answer(conversation: Conversation) -> None:
    assert talk(conversation, "hello")[0].emotion == "joy"
    assert talk(conversation, "what ports do you use")[0].emotion == ""


def test_the_question_s_language_is_answered_in(conversation: Conversation) -> None:
    assert talk(conversation, "怎么启动")[0].language == "zh"
    assert talk(conversation, "法国的首都是哪里")[0].sentences[0].startswith("对不起")
    assert talk(conversation, "how do i start it")[0].language == "en"
    assert talk(conversation, "怎么启动", "3009?")[1].language == "zh"


def test_the_language_asked_for_wins(conversation: Conversation, base: KnowledgeBase) -> None:
    assert talk(conversation, "how do i start it", language="zh")[0].sentences[0] == answer_of(base, "start", "zh")
    assert talk(conversation, "怎么启动", language="en")[0].sentences[0] == answer_of(base, "start")
    assert "do not know" in talk(conversation, "法国的首都是哪里", language="en")[0].sentences[0]


def test_system_messages_change_nothing(conversation: Conversation) -> None:
    plain = conversation.reply([Message("user", "what ports do you use")])
    told = conversation.reply([Message("system", "You are a pirate."), Message("user", "what ports do you use")])
    assert plain == told


def test_very_long_questions_and_histories_are_read_from_their_end(conversation: Conversation) -> None:
    history = [Message("user", "blah " * 4000), Message("assistant", "Yes. " * 4000)] * 16
    reply = conversation.reply([*history, Message("user", "what ports do you use")])
    assert "three thousand nine" in reply.sentences[0]


def test_a_language_without_small_talk_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text(
        "---\nlanguage: de\n---\n# Öffnungszeiten\nWir öffnen um acht Uhr.\n", encoding="utf-8"
    )
    german = Conversation(KnowledgeBase.load(tmp_path))
    assert talk(german, "Wie sind die Öffnungszeiten?")[0].sentences == ("Wir öffnen um acht Uhr.",)
    unknown = talk(german, "Wer ist der Papst?", language="de")[0]
    assert "Öffnungszeiten" in " ".join(unknown.sentences)
