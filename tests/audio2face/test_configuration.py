"""The files of 2.0: what is read, what is refused and how, which layer's value holds."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comps.animation.audio2face.configuration import (
    ConfigurationError,
    DeploymentConfig,
    Layers,
    ModelDefaults,
    StreamRequest,
    StylizationConfig,
)
from comps.animation.audio2face.configuration.document import MAX_BYTES, parse_document, read_document
from comps.animation.audio2face.configuration.reading import configuration_of, model_of, notices_of
from comps.animation.audio2face.configuration.rendering import yaml_text
from comps.core.errors import UnprocessableError

BROKEN = [
    ("a: 1\na: 2\n", "f.yaml:2: a: is there twice; the first is in line 1"),
    ("a:\n\tb: 1\n", "f.yaml:2: b: "),
    ("a: [1,2\nb: 3\n", "f.yaml:2: b: "),
    ("a: 1\n---\nb: 2\n", "single document"),
    ("a: !!python/object:os.system x\n", "f.yaml:1: a: has the tag"),
    ("a: !!int abc\n", "f.yaml:1: a: 'abc' is no int"),
    ("a: *b\n", "undefined alias"),
    ("[1, 2]\n", "f.yaml:1: must hold keys and values"),
    ("", "f.yaml: must hold keys and values"),
    ("a: &x [*x]\n", "nested deeper"),
    ("[" * 3000, "nested deeper"),
    ("a: &a [1,1,1,1,1,1,1,1,1,1]\n" + "".join(
        f"{one}: &{one} [{','.join(['*' + before] * 10)}]\n" for before, one in zip("abcd", "bcde", strict=True)
    ), "holds more than"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "said"), BROKEN, ids=range(len(BROKEN)))
def test_broken_yaml_names_file_line_and_key(text: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(said)):
        parse_document(text, "f.yaml")


def test_files_that_are_no_text_or_too_large(tmp_path) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "f.yaml"
    path.write_bytes(b"a: 1\nb: \xff\n")
    with pytest.raises(ConfigurationError, match=r"f\.yaml:2: is not UTF-8"):
        read_document(path)
    path.write_bytes(b"a" * (MAX_BYTES + 1))
    with pytest.raises(ConfigurationError, match="has more than"):
        read_document(path)
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read_document(tmp_path / "absent.yaml")


FAULTS = [
    ("a2e:\n  post_processing_params:\n    emotion_contrast: 9\n", "f.yaml:3: a2e/post_processing_params/emotion_contrast: emotion_contrast = 9 is out of range; allowed is 0.3 to 3"),
    ("a2e:\n  enabled: maybe\n", "f.yaml:2: a2e/enabled: 'maybe' is neither true nor false"),
    ("a2f:\n  face_params:\n    tongue_strength: .nan\n", "f.yaml:3: a2f/face_params/tongue_strength: nan is no finite number"),
    ("a2f:\n  face_params:\n    eyelid_offset: 0\n    eyelid_open_offset: 0\n", "f.yaml:4: a2f/face_params/eyelid_open_offset: is the same parameter as eyelid_offset"),
    ("a2f:\n  regression_model:\n    inference_model_id: denmark\n", "f.yaml:3: a2f/regression_model/inference_model_id: 'denmark' is no regression model"),
    ("a2f:\n  blendshape_params: 3\n", "f.yaml:2: a2f/blendshape_params: must hold keys and values, but is 3"),
    ("a2f:\n  blendshape_params:\n    cancel_poses: {JawOpen: 1.5}\n", "f.yaml:3: a2f/blendshape_params/cancel_poses/JawOpen: 1.5 is no id"),
    ("a2f:\n  inference_model_id: claire_v2.3\n", "a2f migrate"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "said"), FAULTS, ids=range(len(FAULTS)))
def test_faults_of_a_stylization_file(text: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(said)):
        model_of(parse_document(text, "f.yaml"), StylizationConfig)


def test_every_fault_has_a_line() -> None:
    text = "common:\n  stream_number: 0\nendpoints:\n  bidirectional:\n    server:\n      url: x\nlogging: {log_level: loud}\n"
    with pytest.raises(ConfigurationError) as caught:
        model_of(parse_document(text, "d.yaml"), DeploymentConfig)
    places = [line.split(": ")[0] for line in caught.value.message.splitlines()]
    assert places == ["d.yaml:2", "d.yaml:7", "d.yaml:6"]


def test_encryption_needs_its_files() -> None:
    text = "endpoints:\n  bidirectional:\n    server:\n      secure_mode: mtls\n      key_path: k\n"
    with pytest.raises(ConfigurationError, match="needs certificate_path, ca_path"):
        model_of(parse_document(text, "d.yaml"), DeploymentConfig)


def test_unknown_keys_are_named_with_what_was_meant() -> None:
    text = "a2f:\n  face_params:\n    tonge_strength: 1\n  infrence_type: x\n"
    notices = list(map(str, notices_of(parse_document(text, "s.yaml"), StylizationConfig)))
    assert (
        "s.yaml:3: a2f/face_params/tonge_strength: is unknown and has no effect; did you mean tongue_strength?"
        in notices
    )
    assert "s.yaml:4: a2f/infrence_type: is unknown and has no effect; did you mean inference_type?" in notices


@pytest.mark.parametrize(
    "block",
    [
        'faceParams: \'{"face_params": {"skin_strength": 0.5, "a2e_stride": 1}}\'\n',
        "faceParams: '{\"skin_strength\": 0.5}'\n",
        "face_params:\n  skin_strength: 0.5\n",
        "faceParams:\n  face_params: {skin_strength: 0.5}\n",
    ],
)
def test_the_block_of_1_0_goes_over_the_stylization_file(block: str) -> None:
    style = parse_document("a2f:\n  face_params: {skin_strength: 0.9, tongue_strength: 2}\n", "s.yaml")
    layers = Layers(configuration_of(style, parse_document(block, "d.yaml")))
    assert layers.deployment.values["skin_strength"] == 0.5
    assert layers.deployment.values["tongue_strength"] == 2


def test_model_below_files_below_request() -> None:
    style = parse_document("a2f:\n  face_params: {skin_strength: 0.9, tongue_strength: 2}\n", "mark_stylization.yaml")
    layers = Layers(configuration_of(style), ModelDefaults({"skin_strength": 0.1, "face_mask_level": 0.2}))
    stream = layers.for_stream(StreamRequest({"tongueStrength": 1.0, "x": 1}, weight_offsets={"JawOpen": 0.5, "?": 1}))
    got = {name: (stream.values[name], stream.origin[name]) for name in ("face_mask_level", "skin_strength", "tongue_strength", "input_strength")}  # fmt: skip
    assert got == {
        "face_mask_level": (0.2, "model"),
        "skin_strength": (0.9, "deployment"),
        "tongue_strength": (1.0, "request"),
        "input_strength": (1.3, "model"),
    }
    assert stream.ignored == ("x",)
    assert (stream.weight_offsets["JawOpen"], len(stream.weight_offsets)) == (0.5, 68)
    # a request acts for its stream only
    assert layers.for_stream(StreamRequest()).values["tongue_strength"] == 2


def test_a_request_out_of_range_is_refused() -> None:
    with pytest.raises(UnprocessableError, match="tongueStrength = 9 is out of range; allowed is 0 to 3"):
        Layers(configuration_of()).for_stream(StreamRequest({"tongueStrength": 9}))


@pytest.mark.parametrize(
    ("rows", "said"),
    [("symmetry_poses: {MouthSmileLeft: -1}", "gives 2 to 1 shapes"), ("active_poses: {all: 0}", "")],
)
def test_pairs_have_two_members(rows: str, said: str) -> None:
    document = parse_document(f"a2f:\n  blendshape_params:\n    {rows}\n", "s.yaml")
    if not said:
        Layers(configuration_of(document))
        return
    with pytest.raises(ConfigurationError, match=said):
        Layers(configuration_of(document))


def test_yaml_traps() -> None:
    data = parse_document("a: off\nb: 1e-3\nc: 22:30\nd: 2024-13-45\ne: 0.0.0.0:52000\n", "f").data
    assert data == {"a": "off", "b": 0.001, "c": "22:30", "d": "2024-13-45", "e": "0.0.0.0:52000"}


scalars = st.one_of(st.booleans(), st.integers(-(10**9), 10**9), st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=12))  # fmt: skip
trees = st.dictionaries(st.text(min_size=1, max_size=8), st.recursive(scalars, lambda inner: st.dictionaries(st.text(min_size=1, max_size=8), inner, max_size=3), max_leaves=6), min_size=1, max_size=4)  # fmt: skip


@given(trees)
def test_what_is_written_is_read(tree: dict[str, object]) -> None:
    assert parse_document(yaml_text(tree), "t.yaml").data == tree
