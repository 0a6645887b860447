"""CSV and JSON, read back by the libraries that users read them with."""

from __future__ import annotations

import base64
import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest

from comps.animation.audio2face.export.client_csv import EmotionsCsv, FramesCsv, KeyframesCsv
from comps.animation.audio2face.export.exporter import FORMATS, format_named, format_of_path
from comps.animation.audio2face.export.json_frames import JsonDocument, JsonLines
from comps.animation.audio2face.export.live_link import ANGLES, COLUMNS, LiveLinkCsv, timecode
from comps.animation.audio2face.export.take import Poses
from comps.animation.audio2face.names import ALL_SHAPES, FACE_EMOTIONS
from comps.core.errors import UnknownChoiceError
from tests.audio2face.export.clips import FPS, FRAMES, PLACE, SHORT_TAKE, TAKE, clip, written

Rows = list[dict[str, str]]


def table(data: bytes) -> Rows:
    return list(csv.DictReader(io.StringIO(data.decode())))


@pytest.mark.parametrize("name", FORMATS)
def test_how_the_frames_came_makes_no_difference(name: str) -> None:
    row = format_named(name)
    once, cut = written(row.open(TAKE), clip()), written(row.open(TAKE), clip(), 1, 2, 40, 40, 74)
    assert once == cut
    assert len(once) > 10_000


@pytest.mark.parametrize("name", [name for name, row in FORMATS.items() if row.streamed])
def test_a_streamed_format_keeps_no_frame_back(name: str) -> None:
    exporter = format_named(name).open(TAKE)
    exporter.begin()
    assert len(exporter.write(clip(1))) > 400
    assert len(exporter.end()) < 60


def test_the_frames_are_those_of_nvidias_client() -> None:
    rows = table(written(FramesCsv(TAKE), clip()))
    assert list(rows[0]) == ["", "timeCode", *(f"blendShapes.{name}" for name in ALL_SHAPES)]
    assert list(rows[0])[2] == "blendShapes.EyeBlinkLeft"
    assert [int(row[""]) for row in rows] == list(range(FRAMES))
    assert [float(row["timeCode"]) for row in rows] == pytest.approx([k / FPS for k in range(FRAMES)])
    jaw = [float(row["blendShapes.JawOpen"]) for row in rows]
    assert jaw == pytest.approx(clip().weights[:, PLACE["JawOpen"]], abs=1e-6)
    assert all(value for row in rows for value in row.values())


def test_emotions_and_keyframes_have_files_of_their_own() -> None:
    smoothed = table(written(EmotionsCsv(TAKE), clip()))
    assert list(smoothed[0]) == ["", "time_code", *(f"emotion_values.{name}" for name in FACE_EMOTIONS)]
    assert [float(row["emotion_values.joy"]) for row in smoothed] == pytest.approx(clip().emotions[:, 6], abs=1e-6)
    sent = table(written(KeyframesCsv(TAKE), clip(), 10))
    assert [(row["time_code"], row["emotion_values.joy"], row["emotion_values.fear"]) for row in sent] == [
        ("0.0", "1.0", ""),
        ("1.0", "", "0.5"),
    ]


def test_a_clip_without_keyframes_has_an_empty_table() -> None:
    calm = clip()
    poses = Poses(0, calm.weights, calm.emotions, calm.head)
    assert written(KeyframesCsv(TAKE), poses) == b'""\n'


def test_a_live_link_take_has_the_apps_columns() -> None:
    rows = table(written(LiveLinkCsv(TAKE), clip()))
    names = list(rows[0])
    assert names[:4] == ["Timecode", "BlendShapeCount", "EyeBlinkLeft", "EyeLookDownLeft"]
    assert names[16:20] == ["JawForward", "JawRight", "JawLeft", "JawOpen"]
    assert names[-10:] == [
        "TongueOut", "HeadYaw", "HeadPitch", "HeadRoll",
        "LeftEyeYaw", "LeftEyePitch", "LeftEyeRoll", "RightEyeYaw", "RightEyePitch", "RightEyeRoll",
    ]  # fmt: skip
    assert len(COLUMNS) + len(ANGLES) == 61
    assert {row["BlendShapeCount"] for row in rows} == {"61"}
    assert [row["Timecode"] for row in rows[28:31]] == ["00:00:00:28.000", "00:00:00:29.000", "00:00:01:00.000"]


def test_a_live_link_take_has_apples_mouth_and_unreals_angles() -> None:
    poses = clip()
    rows = table(written(LiveLinkCsv(TAKE), poses))
    weights = poses.weights
    jaw = np.clip(weights[:, PLACE["JawOpen"]] + weights[:, PLACE["MouthClose"]], 0, 1)
    assert [float(row["JawOpen"]) for row in rows] == pytest.approx(jaw, abs=1e-6)
    assert [float(row["JawLeft"]) for row in rows] == pytest.approx(weights[:, PLACE["JawLeft"]], abs=1e-6)
    head = np.radians(poses.head[:, :3])
    for column, angles in zip(("HeadYaw", "HeadPitch", "HeadRoll"), (head * (-1, 1, -1)).T, strict=True):
        assert [float(row[column]) for row in rows] == pytest.approx(angles, abs=1e-6)
    assert [float(row["LeftEyePitch"]) for row in rows] == pytest.approx(np.radians(poses.gaze[:, 1]), abs=1e-6)


def test_eyes_that_look_to_the_subjects_left_have_a_negative_yaw() -> None:
    weights = np.zeros((1, 52))
    weights[0, PLACE["EyeLookOutLeft"]] = weights[0, PLACE["EyeLookInRight"]] = 0.5
    poses = Poses(0, weights, np.zeros((1, 10)), np.zeros((1, 6)))
    row = table(written(LiveLinkCsv(SHORT_TAKE), poses))[0]
    assert float(row["LeftEyeYaw"]) == float(row["RightEyeYaw"]) == pytest.approx(-np.radians(17.5), abs=1e-6)
    assert row["HeadYaw"] == row["LeftEyeRoll"] == "0.0"


@pytest.mark.parametrize(
    ("frame", "fps", "code"),
    [(0, 30, "00:00:00:00.000"), (119, 60, "00:00:01:59.000"), (30 * 3725 + 7, 30, "01:02:05:07.000")],
)
def test_time_codes_count_frames(frame: int, fps: int, code: str) -> None:
    assert timecode(frame, fps) == code


def test_lines_of_json_are_header_frames_and_end() -> None:
    lines = [json.loads(line) for line in written(JsonLines(TAKE), clip(), 3).splitlines()]
    header, frames, end = lines[0], lines[1:-1], lines[-1]
    assert header == {
        "type": "header", "names": list(ALL_SHAPES), "emotions": list(FACE_EMOTIONS), "fps": 30, "sample_rate": 16_000,
    }  # fmt: skip
    assert end == {"type": "end", "frames": FRAMES}
    assert [frame["index"] for frame in frames] == list(range(FRAMES))
    assert [frame["time_code"] for frame in frames] == [k / FPS for k in range(FRAMES)]
    assert np.array([frame["weights"] for frame in frames]) == pytest.approx(clip().weights, abs=1e-6)
    assert np.array([frame["emotions"] for frame in frames]) == pytest.approx(clip().emotions, abs=1e-6)
    assert np.array([frame["head"] for frame in frames]) == pytest.approx(clip().head, abs=1e-5)
    assert np.array([frame["gaze"] for frame in frames]) == pytest.approx(clip().gaze, abs=1e-5)


def test_the_document_holds_the_same_frames() -> None:
    document = json.loads(written(JsonDocument(TAKE), clip(), 5))
    lines = [json.loads(line) for line in written(JsonLines(TAKE), clip()).splitlines()]
    assert [{"type": "frame", **frame} for frame in document.pop("frames")] == lines[1:-1]
    assert {"type": "header", **document} == lines[0]
    assert json.loads(written(JsonDocument(TAKE), clip(0)))["frames"] == []


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("a.csv", "csv"), ("a.livelink.csv", "livelink"), ("A.GLB", "glb"), ("x.usda", "usda"), ("x.ndjson", "ndjson"),
        ("x.json", "json"), ("x.mp4", None), ("glb", None),
    ],
)  # fmt: skip
def test_a_name_tells_the_format(name: str, found: str | None) -> None:
    row = format_of_path(Path("folder") / name)
    assert (row.name if row else None) == found


def test_an_unknown_format_lists_those_there_are() -> None:
    with pytest.raises(UnknownChoiceError, match="ndjson, json, csv, livelink, glb, usda"):
        format_named("fbx")


def test_lines_give_the_audio_back_when_asked() -> None:
    exporter = JsonLines(TAKE, echo=True)
    lines = [json.loads(line) for line in written(exporter, clip(5), 2).splitlines()[1:-1]]
    assert [base64.b64decode(line["audio"]) for line in lines] == list(clip(5).audio)
