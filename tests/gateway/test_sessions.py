from __future__ import annotations

import pytest

from gateway.sessions import MESSAGES, SESSION_CHARACTERS, Sessions

ID = "session-0123456789"


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def said(sessions: Sessions, session_id: str) -> list[str]:
    return [turn.content for turn in sessions.recall(session_id)]


def test_a_session_remembers_in_order() -> None:
    sessions = Sessions(10, 60, Clock())
    sessions.note(ID, "one", "first")
    sessions.note(ID, "two", "second")
    assert said(sessions, ID) == ["one", "first", "two", "second"]
    assert [turn.role for turn in sessions.recall(ID)] == ["user", "assistant"] * 2


def test_sessions_know_nothing_of_each_other() -> None:
    sessions = Sessions(10, 60, Clock())
    sessions.note(ID, "secret", "kept")
    assert said(sessions, ID + "x") == []


def test_no_id_is_not_remembered() -> None:
    sessions = Sessions(10, 60, Clock())
    sessions.note(None, "one", "first")
    assert sessions.recall(None) == ()


def test_an_idle_session_is_forgotten_and_a_used_one_kept() -> None:
    clock = Clock()
    sessions = Sessions(10, 60, clock)
    sessions.note(ID, "one", "first")
    clock.now = 50
    sessions.note(ID, "two", "second")
    clock.now = 100
    assert len(said(sessions, ID)) == 4
    clock.now = 111
    assert said(sessions, ID) == []


def test_the_least_recent_sessions_make_room() -> None:
    sessions = Sessions(2, 60, Clock())
    for name in ("a", "b", "a", "c"):
        sessions.note(name * 16, "q", "a")
    assert said(sessions, "a" * 16) == ["q", "a", "q", "a"]
    assert said(sessions, "b" * 16) == []


def test_a_long_session_keeps_its_latest_messages() -> None:
    sessions = Sessions(2, 60, Clock())
    for number in range(MESSAGES):
        sessions.note(ID, f"q{number}", f"a{number}")
    kept = said(sessions, ID)
    assert len(kept) == MESSAGES
    assert kept[-1] == f"a{MESSAGES - 1}"


def test_the_characters_of_a_session_are_bounded() -> None:
    sessions = Sessions(2, 60, Clock())
    sessions.note(ID, "first", "x" * (SESSION_CHARACTERS // 2))
    sessions.note(ID, "second", "y" * (SESSION_CHARACTERS // 2))
    assert [text[:6] for text in said(sessions, ID)] == ["second", "yyyyyy"]
    sessions.note(ID, "third", "z" * SESSION_CHARACTERS)
    assert said(sessions, ID) == []


def test_the_characters_of_all_sessions_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.sessions.ALL_CHARACTERS", 100)
    clock = Clock()
    sessions = Sessions(10, 60, clock)
    for name in "abc":
        sessions.note(name * 16, "q" * 20, "a" * 20)
    assert [len(said(sessions, name * 16)) for name in "abc"] == [0, 2, 2]
    clock.now = 61  # what is forgotten makes room
    for name in "de":
        sessions.note(name * 16, "q" * 20, "a" * 30)
    assert [len(said(sessions, name * 16)) for name in "de"] == [2, 2]
