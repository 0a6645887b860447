"""glTF files, taken apart byte by byte as a viewer does."""

from __future__ import annotations

import json
import struct
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from comps.animation.audio2face.export.glb import Glb
from comps.animation.audio2face.export.gltf import GltfExporter
from comps.animation.audio2face.export.take import Poses
from comps.animation.audio2face.names import ALL_SHAPES
from comps.core.errors import UnprocessableError
from tests.audio2face.export.clips import FPS, FRAMES, PLACE, TAKE, clip, written

Json = dict[str, Any]
TYPES = {5126: "<f4", 5123: "<u2", 5125: "<u4"}
WIDTHS = {"SCALAR": 1, "VEC3": 3, "VEC4": 4}


def parsed(data: bytes) -> tuple[Json, bytes]:
    magic, version, length = struct.unpack_from("<4sII", data)
    assert (magic, version, length) == (b"glTF", 2, len(data))
    chunks, place = [], 12
    while place < length:
        size, kind = struct.unpack_from("<I4s", data, place)
        assert size % 4 == place % 4 == 0
        chunks.append((kind, data[place + 8 : place + 8 + size]))
        place += 8 + size
    assert [kind for kind, _ in chunks] == [b"JSON", b"BIN\0"]
    return json.loads(chunks[0][1]), chunks[1][1]


class Viewer:
    """What a viewer reads from a file: every accessor with its bounds checked."""

    def __init__(self, data: bytes) -> None:
        self.document, self.binary = parsed(data)
        assert self.document["asset"]["version"] == "2.0"
        assert self.document["buffers"] == [{"byteLength": len(self.binary)}]

    def view(self, number: int, kind: str) -> NDArray[Any]:
        view = self.document["bufferViews"][number]
        assert view["byteOffset"] % 4 == 0
        assert view["byteOffset"] + view["byteLength"] <= len(self.binary)
        return np.frombuffer(self.binary, kind, view["byteLength"] // np.dtype(kind).itemsize, view["byteOffset"])

    def array(self, number: int) -> NDArray[Any]:
        about = self.document["accessors"][number]
        kind, width = TYPES[about["componentType"]], WIDTHS[about["type"]]
        if "bufferView" in about:
            values = self.view(about["bufferView"], kind).reshape(about["count"], width).copy()
        else:
            values = np.zeros((about["count"], width), kind)
        if "sparse" in about:
            sparse = about["sparse"]
            rows = self.view(sparse["indices"]["bufferView"], TYPES[sparse["indices"]["componentType"]])
            assert len(rows) == sparse["count"]
            assert (np.diff(rows.astype(int)) > 0).all()
            values[rows] = self.view(sparse["values"]["bufferView"], kind).reshape(-1, width)
        if "min" in about:
            assert about["min"] == pytest.approx(values.min(0).tolist())
            assert about["max"] == pytest.approx(values.max(0).tolist())
        return values

    def channels(self) -> dict[tuple[int, str], tuple[NDArray[Any], NDArray[Any]]]:
        """Times and values by node and path."""
        (animation,) = self.document["animations"]
        found = {}
        for channel in animation["channels"]:
            sampler = animation["samplers"][channel["sampler"]]
            assert sampler["interpolation"] == "LINEAR"
            assert {"min", "max"} <= set(self.document["accessors"][sampler["input"]])
            target = channel["target"]
            found[target["node"], target["path"]] = self.array(sampler["input"])[:, 0], self.array(sampler["output"])
        return found


@pytest.fixture(scope="module")
def own() -> Viewer:
    return Viewer(written(GltfExporter(TAKE), clip()))


def test_every_shape_is_a_named_target_that_moves_something(own: Viewer) -> None:
    (mesh,) = own.document["meshes"]
    (primitive,) = mesh["primitives"]
    assert mesh["extras"]["targetNames"] == list(ALL_SHAPES)
    assert len(primitive["targets"]) == len(mesh["weights"]) == 68
    vertices = own.array(primitive["attributes"]["POSITION"])
    for name, target in zip(ALL_SHAPES, primitive["targets"], strict=True):
        moved = own.array(target["POSITION"])
        assert moved.shape == vertices.shape
        assert 0.001 < np.linalg.norm(moved, axis=1).max() < 0.05, name


def test_the_face_is_a_sound_mesh(own: Viewer) -> None:
    (primitive,) = own.document["meshes"][0]["primitives"]
    triangles = own.array(primitive["indices"]).reshape(-1, 3)
    vertices, normals, colours = (
        own.array(primitive["attributes"][name]) for name in ("POSITION", "NORMAL", "COLOR_0")
    )
    assert triangles.max() == len(vertices) - 1
    assert 0.1 < np.ptp(vertices[:, 1]) < 0.4  # metres
    assert np.linalg.norm(normals, axis=1) == pytest.approx(np.ones(len(normals)), abs=1e-5)
    assert colours.min() >= 0
    assert colours.max() <= 1
    assert all(len(set(row)) == 3 for row in triangles.tolist())


def test_the_weights_are_the_streams(own: Viewer) -> None:
    times, values = own.channels()[0, "weights"]
    assert times == pytest.approx(np.arange(FRAMES) / FPS, abs=1e-6)
    assert values.reshape(FRAMES, 68) == pytest.approx(clip().weights, abs=1e-6)


def test_the_head_turns_the_way_it_is_told() -> None:
    head = np.zeros((4, 6))
    head[1, 0], head[2, 1], head[3, 2] = 90, 90, 90
    poses = Poses(0, np.zeros((4, 68)), np.zeros((4, 10)), head)
    viewer = Viewer(written(GltfExporter(TAKE), poses))
    _, turned = viewer.channels()[0, "rotation"]
    front, up = np.array([0, 0, 1.0]), np.array([0, 1.0, 0])
    assert rotated(turned[0], front) == pytest.approx(front)
    assert rotated(turned[1], front) == pytest.approx([1, 0, 0], abs=1e-6)  # to the subject's left
    assert rotated(turned[2], front) == pytest.approx(up, abs=1e-6)
    assert rotated(turned[3], up) == pytest.approx([1, 0, 0], abs=1e-6)  # to the viewer's right


def rotated(quaternion: NDArray[Any], vector: NDArray[np.float64]) -> NDArray[np.float64]:
    axis, scalar = quaternion[:3].astype(float), float(quaternion[3])
    cross = 2 * np.cross(axis, vector)
    return np.asarray(vector + scalar * cross + np.cross(axis, cross))


def test_a_still_head_has_no_channel() -> None:
    poses = Poses(0, clip().weights, clip().emotions, np.zeros((FRAMES, 6)))
    assert list(Viewer(written(GltfExporter(TAKE), poses)).channels()) == [(0, "weights")]


def test_an_open_jaw_parts_the_lips_and_mouth_close_keeps_them_together(own: Viewer) -> None:
    (primitive,) = own.document["meshes"][0]["primitives"]
    jaw, close = (own.array(primitive["targets"][PLACE[name]]["POSITION"])[:, 1] for name in ("JawOpen", "MouthClose"))
    twins = lip_twins(own.array(primitive["attributes"]["POSITION"]))
    assert len(twins) == 31
    middle = [pair for pair in twins if abs(own.array(primitive["attributes"]["POSITION"])[pair[0], 0]) < 0.01]
    assert min(jaw[above] - jaw[below] for above, below in middle) > 0.012
    assert max(abs(close[above] - close[below]) for above, below in middle) < 0.004
    assert close.min() < -0.02  # the jaw itself is open


def lip_twins(vertices: NDArray[Any]) -> list[tuple[int, int]]:
    """Pairs of vertices at one place: the two sides of the line between the lips."""
    places: dict[tuple[float, ...], int] = {}
    twins = []
    for number, place in enumerate(map(tuple, vertices.tolist())):
        if place in places and place[2] > 0.04:
            twins.append((places[place], number))
        places.setdefault(place, number)
    return [pair for pair in twins if vertices[pair[0], 1] < vertices[:, 1].min() + 0.1]


def user_mesh(names: list[str], **document: Any) -> bytes:
    """A triangle with targets, as a user's tool may write it."""
    glb = Glb({"asset": {"version": "2.0"}, "extensionsUsed": ["VENDOR_thing"], **document})
    corner = np.eye(3, dtype="<f4")
    targets = [{"POSITION": glb.accessor(corner, bounds=True)} for _ in names]
    primitive = {"attributes": {"POSITION": glb.accessor(corner, bounds=True)}, "targets": targets}
    glb.add("meshes", {"primitives": [primitive], "extras": {"targetNames": names}})
    glb.add("nodes", {"name": "bone"})
    glb.add("nodes", {"name": "skull", "mesh": 0})
    glb.add("buffers", {"byteLength": 0})
    return glb.to_bytes()


def test_a_users_mesh_is_moved_by_the_names_it_has() -> None:
    viewer = Viewer(written(GltfExporter(TAKE, user_mesh(["blink", "JAWOPEN", "mouthSmileLeft"])), clip()))
    ((node, path),) = viewer.channels()
    assert (node, path) == (1, "weights")
    values = viewer.channels()[1, "weights"][1].reshape(FRAMES, 3)
    assert not values[:, 0].any()
    assert values[:, 1] == pytest.approx(clip().weights[:, PLACE["JawOpen"]], abs=1e-6)
    assert viewer.document["extensionsUsed"] == ["VENDOR_thing"]
    assert viewer.array(0).tolist() == np.eye(3).tolist()


def test_apples_spelling_means_apples_mouth_close() -> None:
    for names, jaw in (
        (["jawOpen", "mouthClose"], clip().arkit[:, PLACE["JawOpen"]]),
        (["JawOpen", "MouthClose"], clip().weights[:, PLACE["JawOpen"]]),
    ):
        viewer = Viewer(written(GltfExporter(TAKE, user_mesh(names)), clip()))
        assert viewer.channels()[1, "weights"][1].reshape(FRAMES, 2)[:, 0] == pytest.approx(jaw, abs=1e-6)


def test_an_animation_of_the_users_stays() -> None:
    mesh = user_mesh(["jawOpen"], animations=[{"name": "walk", "channels": [], "samplers": []}])
    document, _ = parsed(written(GltfExporter(TAKE, mesh), clip()))
    assert [animation["name"] for animation in document["animations"]] == ["walk", "speech"]


@pytest.mark.parametrize(
    ("mesh", "words"),
    [
        (b"", "no .glb"),
        (b"PK\3\4 a zip file", "no .glb"),
        (user_mesh(["jawOpen"])[:200], "cut short"),
        (struct.pack("<4sII", b"glTF", 1, 12), "glTF 1, not 2"),
        (struct.pack("<4sIIII", b"glTF", 2, 24, 4, 0x4E4F534A) + b"nonsense", "no JSON"),
        (user_mesh(["smile", "frown"]), "no mesh in the file has a morph target"),
        (user_mesh(["jawOpen"], buffers=[{"uri": "face.bin", "byteLength": 4}]), "another file"),
        (user_mesh(["jawOpen"], nodes=[{"mesh": 9}]), "broken"),
    ],
)
def test_a_mesh_that_cannot_be_used_is_refused_before_any_work(mesh: bytes, words: str) -> None:
    with pytest.raises(UnprocessableError, match=words):
        GltfExporter(TAKE, mesh)


def test_a_clip_without_frames_is_no_animation() -> None:
    with pytest.raises(UnprocessableError, match="no frame"):
        GltfExporter(TAKE).end()
