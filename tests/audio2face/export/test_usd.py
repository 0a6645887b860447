"""USD text, read back by a small parser of its own."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from comps.animation.audio2face.export.take import Poses
from comps.animation.audio2face.export.usd import UsdExporter
from comps.animation.audio2face.names import ALL_SHAPES, ARKIT_SHAPES
from comps.core.errors import UnprocessableError
from tests.audio2face.export.clips import FRAMES, PLACE, SHORT_TAKE, TAKE, clip, written

TOKEN = re.compile(r'"[^"]*"|<[^>]*>|[-+]?\d[\d.eE+-]*|[A-Za-z_][\w:.\[\]]*|\S')


@dataclass
class Prim:
    kind: str
    name: str
    values: dict[str, Any] = field(default_factory=dict)
    children: dict[str, Prim] = field(default_factory=dict)


class Parser:
    """The part of the grammar that a face needs: prims, attributes, relationships, time samples, metadata."""

    def __init__(self, text: str) -> None:
        assert text.startswith("#usda 1.0\n")
        self._tokens = TOKEN.findall(text.split("\n", 1)[1])
        self._at = 0
        self.metadata = self._metadata()
        self.root = Prim("", "")
        while self._at < len(self._tokens):
            self._prim(self.root)

    def _next(self, expected: str = "") -> str:
        token = self._tokens[self._at]
        assert not expected or token == expected, f"{token} where {expected} was due, near {self._at}"
        self._at += 1
        return token

    def _peek(self) -> str:
        return self._tokens[self._at]

    def _metadata(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        if self._peek() != "(":
            return found
        self._next("(")
        while self._peek() != ")":
            words = [self._next()]
            while self._peek() != "=":
                words.append(self._next())
            self._next("=")
            found[words[-1]] = self._value()
        self._next(")")
        return found

    def _prim(self, parent: Prim) -> None:
        self._next("def")
        prim = Prim(self._next(), self._next().strip('"'))
        parent.children[prim.name] = prim
        prim.values["metadata"] = self._metadata()
        self._next("{")
        while self._peek() != "}":
            if self._peek() == "def":
                self._prim(prim)
            else:
                self._attribute(prim)
        self._next("}")

    def _attribute(self, prim: Prim) -> None:
        words = [self._next()]
        while self._peek() != "=":
            words.append(self._next())
        self._next("=")
        prim.values[words[-1]] = self._samples() if words[-1].endswith(".timeSamples") else self._value()
        prim.values[f"type of {words[-1]}"] = words[-2]
        self._metadata()

    def _samples(self) -> dict[int, Any]:
        found = {}
        self._next("{")
        while self._peek() != "}":
            frame = int(self._next())
            self._next(":")
            found[frame] = self._value()
            self._next(",")
        self._next("}")
        return found

    def _value(self) -> Any:
        token = self._next()
        if token in ("[", "("):
            end = {"[": "]", "(": ")"}[token]
            items = []
            while self._peek() != end:
                items.append(self._value())
                if self._peek() == ",":
                    self._next()
            self._next(end)
            return items
        return token[1:-1] if token[0] in '"<' else float(token)


@pytest.fixture(scope="module")
def stage() -> Parser:
    return Parser(written(UsdExporter(TAKE), clip(), 30).decode())


def avatar(stage: Parser) -> dict[str, Prim]:
    return stage.root.children["Avatar"].children


def test_the_stage_lasts_as_long_as_the_clip(stage: Parser) -> None:
    wanted = {"startTimeCode": 0, "endTimeCode": FRAMES - 1, "timeCodesPerSecond": 30, "framesPerSecond": 30}
    assert wanted.items() <= stage.metadata.items()
    assert stage.metadata["upAxis"] == "Y"
    assert stage.metadata["metersPerUnit"] == 1
    assert stage.root.children["Avatar"].kind == "SkelRoot"
    assert stage.metadata["defaultPrim"] == "Avatar"


def test_the_weights_are_samples_of_every_frame(stage: Parser) -> None:
    speech = avatar(stage)["Speech"]
    assert speech.kind == "SkelAnimation"
    assert speech.values["blendShapes"] == list(ALL_SHAPES)
    samples = speech.values["blendShapeWeights.timeSamples"]
    assert list(samples) == list(range(FRAMES))
    assert np.array(list(samples.values())) == pytest.approx(clip().weights, abs=1e-6)


def test_the_head_is_a_joint_that_turns(stage: Parser) -> None:
    speech, skeleton = avatar(stage)["Speech"], avatar(stage)["Skeleton"]
    assert speech.values["joints"] == skeleton.values["joints"] == ["head"]
    turned = np.array([sample[0] for sample in speech.values["rotations.timeSamples"].values()])
    assert np.linalg.norm(turned, axis=1) == pytest.approx(np.ones(FRAMES))
    assert turned[:, 0].min() > 0.98  # the real part comes first: a few degrees
    assert 2 * np.degrees(np.arcsin(turned[20, 2])) == pytest.approx(clip().head[20, 0], abs=0.5)
    assert skeleton.values["skel:animationSource"] == "/Avatar/Speech"


def test_a_still_head_is_one_value() -> None:
    poses = clip()
    still = Poses(0, poses.weights, poses.emotions, np.zeros((FRAMES, 6)))
    speech = avatar(Parser(written(UsdExporter(TAKE), still).decode()))["Speech"]
    assert speech.values["rotations"] == [[1, 0, 0, 0]]


def test_the_face_has_a_blend_shape_for_every_name(stage: Parser) -> None:
    face = avatar(stage)["Face"]
    vertices: NDArray[np.float64] = np.array(face.values["points"])
    assert face.values["skel:blendShapes"] == list(face.children) == list(ALL_SHAPES)
    assert face.values["skel:blendShapeTargets"] == [f"/Avatar/Face/{name}" for name in ALL_SHAPES]
    assert max(face.values["faceVertexIndices"]) == len(vertices) - 1
    assert len(face.values["faceVertexIndices"]) == 3 * len(face.values["faceVertexCounts"])
    assert face.values["extent"] == [pytest.approx(vertices.min(0), abs=1e-6), pytest.approx(vertices.max(0), abs=1e-6)]
    for name, shape in face.children.items():
        rows, offsets = shape.values["pointIndices"], shape.values["offsets"]
        assert len(rows) == len(offsets) > 0, name
        assert max(rows) < len(vertices)
    jaw = face.children["JawOpen"].values["offsets"]
    assert min(offset[1] for offset in jaw) < -0.02


def test_a_stream_of_52_has_52() -> None:
    stage = Parser(written(UsdExporter(SHORT_TAKE), clip(shapes=52)).decode())
    assert list(avatar(stage)["Face"].children) == list(ARKIT_SHAPES)
    assert stage.metadata["timeCodesPerSecond"] == 60
    assert len(avatar(stage)["Speech"].values["blendShapeWeights.timeSamples"][0]) == 52
    assert PLACE["TongueOut"] == 51


def test_a_clip_without_frames_is_no_animation() -> None:
    with pytest.raises(UnprocessableError, match="no frame"):
        UsdExporter(TAKE).end()
