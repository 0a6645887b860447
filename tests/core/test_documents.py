from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from docarray import BaseDoc, DocList
from hypothesis import given
from hypothesis import strategies as st

from comps.core import documents
from comps.core.documents import (
    Audio2text,
    Audio2TextDoc,
    Base64ByteStrDoc,
    GeneratedDoc,
    ImageDoc,
    ImagePath,
    ImagesPath,
    LLMParams,
    LLMParamsDoc,
    SpeechDoc,
    TaggedSentenceDoc,
    TextDoc,
    VideoPath,
)
from comps.core.errors import UnprocessableError
from comps.core.speech import Phone, SpeechChunk, TaggedSentence, Word

SAMPLING = {
    "max_tokens": 1024,
    "max_new_tokens": 1024,
    "top_k": 10,
    "top_p": 0.95,
    "typical_p": 0.95,
    "temperature": 0.01,
    "frequency_penalty": 0.0,
    "presence_penalty": 0.0,
    "repetition_penalty": 1.03,
    "stream": True,
    "language": "auto",
    "chat_template": None,
    "model": None,
}


@pytest.mark.parametrize(
    ("document", "fields"),
    [
        (TextDoc(), {"text": None, "downstream_black_list": []}),
        (TextDoc(text=["a", "b"]), {"text": ["a", "b"], "downstream_black_list": []}),
        (Base64ByteStrDoc(byte_str="QQ=="), {"byte_str": "QQ=="}),
        (VideoPath(video_path="/outputs/a.mp4"), {"video_path": "/outputs/a.mp4"}),
        (Audio2text(), {"query": None}),
        (Audio2TextDoc(), {"url": None, "model_name_or_path": "openai/whisper-small", "language": "auto"}),
        (GeneratedDoc(text="a", prompt="b"), {"text": "a", "prompt": "b"}),
        (ImageDoc(url="http://x/a.png"), {"url": "http://x/a.png", "base64_image": None}),
        (LLMParams(), {**SAMPLING, "index_name": None}),
        (
            LLMParamsDoc(query="why"),
            {
                **SAMPLING,
                "query": "why",
                "input_guardrail_params": None,
                "output_guardrail_params": None,
                "documents": [],
            },
        ),
    ],
)
def test_fields_and_defaults_are_those_of_opea(document: BaseDoc, fields: dict[str, object]) -> None:
    dumped = document.model_dump()
    assert len(dumped.pop("id")) == 32
    assert dumped == fields


def test_documents_nest_and_do_what_docarray_documents_do() -> None:
    images = ImagesPath(images_path=[ImagePath(image_path="a.png")])
    assert ImagesPath.model_validate_json(images.model_dump_json()).images_path[0].image_path == "a.png"
    assert DocList[VideoPath]([VideoPath(video_path="a.mp4")]).video_path == ["a.mp4"]
    copies = DocList[VideoPath].from_json(DocList[VideoPath]([VideoPath(video_path="a.mp4")]).to_json())
    assert copies[0].video_path == "a.mp4"


def test_every_document_has_an_id_of_its_own() -> None:
    assert VideoPath(video_path="a").id != VideoPath(video_path="a").id
    for name in dir(documents):
        kind = getattr(documents, name)
        if isinstance(kind, type) and issubclass(kind, BaseDoc):
            assert "id" in kind.model_fields


def test_lists_are_not_shared_between_documents() -> None:
    first = TextDoc()
    assert first.downstream_black_list is not None
    first.downstream_black_list.append("llm")
    assert TextDoc().downstream_black_list == []


TIMES = st.floats(0, 100, allow_nan=False)


@given(
    samples=st.lists(st.integers(-32768, 32767), max_size=40),
    phones=st.lists(st.builds(Phone, st.text(max_size=3), TIMES, TIMES, st.integers(0, 2)), max_size=4),
    words=st.lists(
        st.builds(Word, st.text(max_size=8), TIMES, TIMES, st.integers(0, 9), st.integers(0, 9)), max_size=4
    ),
    last=st.booleans(),
)
def test_speech_survives_as_a_document(samples: list[int], phones: list[Phone], words: list[Word], last: bool) -> None:
    chunk = SpeechChunk(
        pcm=np.array(samples, np.int16),
        sample_rate=22050,
        first_sample=7,
        phones=tuple(phones),
        words=tuple(words),
        sentence=2,
        text="hello",
        emotion="joy",
        last=last,
    )
    back = SpeechDoc.model_validate_json(SpeechDoc.from_chunk(chunk).model_dump_json()).to_chunk()
    assert np.array_equal(back.pcm, chunk.pcm)
    assert (back.phones, back.words, back.last) == (chunk.phones, chunk.words, chunk.last)
    assert (back.sample_rate, back.first_sample, back.sentence, back.text, back.emotion) == (
        22050,
        7,
        2,
        "hello",
        "joy",
    )


@pytest.mark.parametrize("text", ["QQ==", "!!!!"])
def test_speech_that_is_no_pcm_is_unprocessable(text: str) -> None:
    with pytest.raises(UnprocessableError) as refused:
        SpeechDoc(byte_str=text, sample_rate=16000).to_chunk()
    assert refused.value.param == "byte_str"


def test_tagged_sentences_survive_as_documents() -> None:
    sentence = TaggedSentence(3, "Well done!", "en", "joy", ((0, 4), (5, 9)))
    document = TaggedSentenceDoc.from_sentence(sentence)
    assert TaggedSentenceDoc.model_validate_json(document.model_dump_json()).to_sentence() == sentence


def test_services_that_speak_no_documents_do_not_load_docarray() -> None:
    program = "import sys, comps.core.app, comps.core.client, comps.core.serve; sys.exit('docarray' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
