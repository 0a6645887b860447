from __future__ import annotations

from gateway.sessions import MESSAGES, Sessions

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
