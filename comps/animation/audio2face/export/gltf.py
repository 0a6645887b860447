"""glTF 2.0: the animation of morph targets on the project's own face, or on a mesh of the user's."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from comps.animation.audio2face.export.face_mesh import own_face
from comps.animation.audio2face.export.glb import INDICES, VERTICES, Glb, Json
from comps.animation.audio2face.export.kept_clip import Array, KeptClipExporter
from comps.animation.audio2face.export.mesh import Mesh, Points
from comps.animation.audio2face.export.take import Take
from comps.animation.audio2face.export.turns import head_positions, head_quaternions
from comps.animation.audio2face.face import arkit_weights
from comps.animation.audio2face.names import ALL_SHAPES, ARKIT_SHAPES
from comps.core.errors import UnprocessableError

HEAD = "head"
"""Name of the node of the own face, which turns."""
_ANIMATION = "speech"
_MOST_TARGETS = 1000


class GltfExporter(KeptClipExporter):
    """Collects the clip and writes it at the end.

    Args:
        take: the clip.
        mesh: a .glb of the user's, whose targets are found by name (case does not matter); its other contents stay.
            Targets spelled as Apple's (``mouthClose``) get weights with Apple's mouthClose.

    Raises:
        UnprocessableError: `mesh` is no .glb, or has no target of any of the names.
    """

    def __init__(self, take: Take, mesh: bytes | None = None) -> None:
        super().__init__(take)
        self._given = None if mesh is None else _Given(Glb.read(mesh))

    def whole(self, weights: Array, heads: Array) -> bytes:
        """See `KeptClipExporter`."""
        if self._given is None:
            return _own(self.take, weights, heads)
        return self._given.animated(self.take, weights)


def _own(take: Take, weights: Points, heads: Points) -> bytes:
    glb = Glb.read(_still_face())
    clip = _Clip(glb, take.fps, len(weights))
    clip.move(0, "weights", _columns(weights, take.names, ALL_SHAPES))
    if heads.any():
        rest = np.array(glb.document["nodes"][0]["translation"])
        clip.move(0, "rotation", head_quaternions(heads))
        clip.move(0, "translation", head_positions(heads) + rest)
    clip.close()
    return glb.to_bytes()


@lru_cache(maxsize=1)
def _still_face() -> bytes:
    """The own face as a file that does not move yet."""
    mesh = own_face()
    rest = [0.0, float(-mesh.positions[:, 1].min()), 0.0]
    glb = Glb({"asset": {"version": "2.0", "generator": "avatarchatbot"}, "scene": 0, "scenes": [{"nodes": [0]}]})
    glb.add("nodes", {"name": HEAD, "mesh": 0, "translation": rest})
    look = {"baseColorFactor": [1, 1, 1, 1], "metallicFactor": 0, "roughnessFactor": 0.8}
    glb.add("materials", {"name": "face", "pbrMetallicRoughness": look, "doubleSided": True})
    glb.add("meshes", {
        "name": "face", "primitives": [_primitive(glb, mesh)], "weights": [0.0] * len(ALL_SHAPES),
        "extras": {"targetNames": ALL_SHAPES},
    })  # fmt: skip
    return glb.to_bytes()


def _primitive(glb: Glb, mesh: Mesh) -> Json:
    single = {"POSITION": mesh.positions, "NORMAL": mesh.normals(), "COLOR_0": np.clip(mesh.colours, 0, 1)}
    attributes = {
        name: glb.accessor(values.astype("<f4"), VERTICES, bounds=name == "POSITION") for name, values in single.items()
    }
    indices = glb.accessor(mesh.triangles.reshape(-1).astype("<u2"), INDICES)
    targets = [{"POSITION": glb.sparse(mesh.targets[name].astype("<f4"))} for name in ALL_SHAPES]
    return {"attributes": attributes, "indices": indices, "material": 0, "targets": targets}


class _Clip:
    """One animation being added to a file."""

    def __init__(self, glb: Glb, fps: int, frames: int) -> None:
        self._glb = glb
        self._times = glb.accessor((np.arange(frames) / fps).astype("<f4"), bounds=True)
        self._document: Json = {"name": _ANIMATION, "channels": [], "samplers": []}

    def move(self, node: int, path: str, values: Points) -> None:
        """Add a channel for ``weights`` `[frames, targets]`, ``rotation`` `[frames, 4]` or ``translation`` `[frames, 3]`."""
        flat = values.reshape(-1) if path == "weights" else values
        sampler = {"input": self._times, "output": self._glb.accessor(flat.astype("<f4")), "interpolation": "LINEAR"}
        self._document["samplers"].append(sampler)
        target = {"sampler": len(self._document["samplers"]) - 1, "target": {"node": node, "path": path}}
        self._document["channels"].append(target)

    def close(self) -> None:
        """Put it into the document."""
        self._glb.add("animations", self._document)


class _Given:
    """A file of the user's: which of its nodes have targets that we know."""

    def __init__(self, glb: Glb) -> None:
        self._glb = glb
        try:
            self._nodes = dict(_animated_nodes(glb.document))
        except (KeyError, IndexError, TypeError, AttributeError) as error:
            raise UnprocessableError(f"the mesh's JSON is broken: {error!r}"[:200], param="mesh") from error
        if glb.document.get("buffers") and "uri" in glb.document["buffers"][0]:
            raise UnprocessableError("the mesh keeps its buffer in another file; save it as one .glb", param="mesh")
        if not self._nodes:
            known = f"{ARKIT_SHAPES[0]} or {ARKIT_SHAPES[17]}"
            raise UnprocessableError(
                f"no mesh in the file has a morph target called like one of ours, such as {known}", param="mesh"
            )

    def animated(self, take: Take, weights: Points) -> bytes:
        """The file with an animation of all its faces, added behind those that it has."""
        clip = _Clip(self._glb, take.fps, len(weights))
        arkit = arkit_weights(weights)
        for node, names in self._nodes.items():
            apples = any(name == "mouthClose" for name in names)
            clip.move(node, "weights", _columns(arkit if apples else weights, take.names, names))
        clip.close()
        return self._glb.to_bytes()


def _animated_nodes(document: Json) -> list[tuple[int, Sequence[str]]]:
    """Nodes whose mesh has at least one known target, with the names of its targets in order."""
    known = {name.lower() for name in ALL_SHAPES}
    found = []
    for number, node in enumerate(document.get("nodes", [])):
        names = _target_names(document["meshes"][node["mesh"]]) if "mesh" in node else ()
        if any(name.lower() in known for name in names):
            found.append((number, names))
    return found


def _target_names(mesh: Json) -> Sequence[str]:
    primitives = mesh["primitives"]
    count = len(primitives[0].get("targets", ()))
    extras = [mesh.get("extras", {}), primitives[0].get("extras", {})]
    names = next((extra["targetNames"] for extra in extras if "targetNames" in extra), ())
    return [str(name) for name in names] if 0 < count <= _MOST_TARGETS and len(names) == count else ()


def _columns(weights: Points, has: Sequence[str], wanted: Sequence[str]) -> Points:
    """Weights `[n, wanted]` of the shapes that are wanted; 0 for those that the stream does not have."""
    places = {name.lower(): place for place, name in enumerate(has)}
    columns: Points = np.zeros((len(weights), len(wanted)))
    for column, name in enumerate(wanted):
        if name.lower() in places:
            columns[:, column] = weights[:, places[name.lower()]]
    return columns
