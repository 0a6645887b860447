from __future__ import annotations

import pytest

from comps.llm.knowledge.markdown import parse, spoken
from comps.llm.knowledge.topic import Topic

OWN = """---
language: en-GB
emotion: joy
---
<!-- not said -->
# All about ports

## ports {#ports emotion=calm offer=2}

- Which ports are there?
- Tell me the ports

The gateway is on port
three thousand nine. It can be changed.

There is more. Ask for it.

## nothing to say

## bare
Just text.
"""


def only(text: str, **kwargs: str) -> Topic:
    topics = parse(text, "file", **kwargs)
    assert len(topics) == 1
    return topics[0]


def test_the_own_format() -> None:
    ports, bare = parse(OWN, "file")
    assert (ports.id, ports.title, ports.language, ports.emotion, ports.offered) == ("ports", "ports", "en", "calm", 2)
    assert ports.context == "All about ports"
    assert ports.examples == ("Which ports are there?", "Tell me the ports")
    assert ports.answer == (
        "The gateway is on port three thousand nine.",
        "It can be changed.",
        "There is more.",
        "Ask for it.",
    )
    assert ports.breaks == (2,)
    assert (bare.id, bare.emotion, bare.offered, bare.examples) == ("bare", "joy", 0, ())


def test_a_turn_ends_with_its_paragraph_or_its_limit() -> None:
    ports = parse(OWN, "file")[0]
    assert len(ports.piece(0, 3)) == 2
    assert ports.piece(0, 1) == ("The gateway is on port three thousand nine.",)
    assert ports.piece(2, 3) == ("There is more.", "Ask for it.")
    assert ports.piece(4, 3) == ()


def test_plain_markdown_becomes_topics_by_section() -> None:
    text = "Intro text.\n\n# Manual\n\n## Setup\n\n1. Plug it in\n2. Press **start**\n\n### Power\nUse 230 V.\n"
    topics = parse(text, "handbook")
    assert [(t.title, t.context) for t in topics] == [("handbook", ""), ("Setup", "Manual"), ("Power", "Manual Setup")]
    assert topics[1].answer == ("Plug it in.", "Press start.")


def test_underlined_headings() -> None:
    topics = parse("Title\n=====\nFirst.\n\nPart\n---\nSecond.\n", "x")
    assert [(t.title, t.answer, t.context) for t in topics] == [
        ("Title", ("First.",), ""),
        ("Part", ("Second.",), "Title"),
    ]


def test_what_cannot_be_said_is_left_out() -> None:
    topic = only(
        "# Code\nRun it:\n\n```sh\nrm -rf x\n```\n\n| a | b |\n|---|---|\n\n![picture](x.png)\n\n---\n\n> Then wait.\n\n<!-- a\n## b -->\n"
    )
    assert topic.answer == ("Run it:", "Then wait.")


def test_an_open_code_block_ends_with_the_file() -> None:
    assert only("# A\nText.\n\n```\n# not a heading\n").answer == ("Text.",)


@pytest.mark.parametrize(
    ("markdown", "said"),
    [
        ("**bold** and *thin* and `code`", "bold and thin and code"),
        ("see [the docs](https://x.y/z) now", "see the docs now"),
        ("see https://example.org/a?b=c.", "see"),
        ("<b>Hi</b> you", "Hi you"),
        (r"2 \* 3 and snake_case_name", "2 * 3 and snake_case_name"),
        ("~~old~~ new", "old new"),
        ("> quoted", "quoted"),
        ("5 < 6 and 7 > 2", "5 < 6 and 7 > 2"),
        ("中文 文字", "中文文字"),
    ],
)
def test_marks_are_not_spoken(markdown: str, said: str) -> None:
    assert spoken(markdown) == said


def test_a_list_that_asks_nothing_is_an_answer() -> None:
    topic = only("# Colours\n- red\n- green\n\nThat is all.\n")
    assert topic.examples == ()
    assert topic.answer == ("red.", "green.", "That is all.")


def test_a_list_of_questions_alone_is_an_answer() -> None:
    assert only("# FAQ\n- Why?\n- How?\n").answer == ("Why?", "How?")


def test_languages() -> None:
    assert only("# 端口\n网关在三千零九端口。").language == "zh"
    assert only("# Anschluss\nDer Dienst.", fallback_language="de").language == "de"
    assert only("---\nlanguage: FR\n---\n# Port\nLe port.").language == "fr"


def test_windows_line_ends_and_a_byte_order_mark() -> None:
    assert only("\ufeff---\r\nlanguage: de\r\n---\r\n# Eins\r\nHallo.\r\n").language == "de"


@pytest.mark.parametrize("front", ["- a\n- b", "a: [", "just text"])
def test_broken_front_matter_is_an_error(front: str) -> None:
    with pytest.raises(ValueError, match="front matter"):
        parse(f"---\n{front}\n---\n# A\nText.", "x")


def test_ids_come_from_titles() -> None:
    assert only("# How to start?\nSo.").id == "how-to-start"
    assert only("# !!!\nSo.").id == "untitled"
