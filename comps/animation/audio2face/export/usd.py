"""USD as text (.usda): a face with blend shapes, moved by a SkelAnimation (UsdSkel of OpenUSD).

Weights are time samples at the clip's frames. The head is the one joint of the skeleton, so that it may turn. Text is
written in double precision's shortest form, rounded to seven digits.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from comps.animation.audio2face.export.face_mesh import own_face
from comps.animation.audio2face.export.kept_clip import Array, KeptClipExporter
from comps.animation.audio2face.export.mesh import Mesh, Points
from comps.animation.audio2face.export.take import Take
from comps.animation.audio2face.export.turns import head_positions, head_quaternions

_IDENTITY = "( (1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, 0), (0, 0, 0, 1) )"


class UsdExporter(KeptClipExporter):
    """Collects the clip and writes it at the end: how many frames there are stands in the first lines."""

    def whole(self, weights: Array, heads: Array) -> bytes:
        """See `KeptClipExporter`."""
        lines = [*_stage(self.take, len(weights)), *_animation(self.take.names, weights, heads)]
        return "\n".join([*lines, *_face(own_face(), self.take.names), "}", ""]).encode()


def _stage(take: Take, frames: int) -> list[str]:
    return [
        "#usda 1.0", "(", '    defaultPrim = "Avatar"', f"    endTimeCode = {frames - 1}", f"    framesPerSecond = {take.fps}",
        "    metersPerUnit = 1", "    startTimeCode = 0", f"    timeCodesPerSecond = {take.fps}", '    upAxis = "Y"', ")", "",
        'def SkelRoot "Avatar" (', '    prepend apiSchemas = ["SkelBindingAPI"]', ")", "{",
        '    def Skeleton "Skeleton" (', '        prepend apiSchemas = ["SkelBindingAPI"]', "    )", "    {",
        f"        uniform matrix4d[] bindTransforms = [{_IDENTITY}]", '        uniform token[] joints = ["head"]',
        f"        uniform matrix4d[] restTransforms = [{_IDENTITY}]",
        "        rel skel:animationSource = </Avatar/Speech>", "    }", "",
    ]  # fmt: skip


def _animation(names: Sequence[str], weights: Points, heads: Points) -> Iterator[str]:
    turned = head_quaternions(heads)[:, [3, 0, 1, 2]]  # USD writes the real part first
    yield '    def SkelAnimation "Speech"'
    yield "    {"
    yield f"        uniform token[] blendShapes = [{_quoted(names)}]"
    yield from _samples("float[] blendShapeWeights", (_numbers(row) for row in weights.tolist()))
    yield '        uniform token[] joints = ["head"]'
    if heads.any():
        yield from _samples("quatf[] rotations", (f"({_numbers(row)})" for row in turned.tolist()))
        yield from _samples("float3[] translations", (f"({_numbers(row)})" for row in head_positions(heads).tolist()))
    else:
        yield "        quatf[] rotations = [(1, 0, 0, 0)]"
        yield "        float3[] translations = [(0, 0, 0)]"
    yield "        half3[] scales = [(1, 1, 1)]"
    yield "    }"
    yield ""


def _samples(attribute: str, values: Iterable[str]) -> Iterator[str]:
    yield f"        {attribute}.timeSamples = {{"
    for frame, value in enumerate(values):
        yield f"            {frame}: [{value}],"
    yield "        }"


def _face(mesh: Mesh, names: Sequence[str]) -> Iterator[str]:
    count = len(mesh.positions)
    yield '    def Mesh "Face" ('
    yield '        prepend apiSchemas = ["SkelBindingAPI"]'
    yield "    )"
    yield "    {"
    yield f"        float3[] extent = [({_numbers(mesh.positions.min(0))}), ({_numbers(mesh.positions.max(0))})]"
    yield f"        int[] faceVertexCounts = [{', '.join(['3'] * len(mesh.triangles))}]"
    yield f"        int[] faceVertexIndices = [{', '.join(map(str, mesh.triangles.reshape(-1).tolist()))}]"
    yield f"        point3f[] points = [{_vectors(mesh.positions)}]"
    yield f"        color3f[] primvars:displayColor = [{_vectors(np.clip(mesh.colours, 0, 1))}] ("
    yield '            interpolation = "vertex"'
    yield "        )"
    yield f"        int[] primvars:skel:jointIndices = [{', '.join(['0'] * count)}] ("
    yield "            elementSize = 1"
    yield '            interpolation = "vertex"'
    yield "        )"
    yield f"        float[] primvars:skel:jointWeights = [{', '.join(['1'] * count)}] ("
    yield "            elementSize = 1"
    yield '            interpolation = "vertex"'
    yield "        )"
    yield f"        uniform token[] skel:blendShapes = [{_quoted(names)}]"
    yield f"        rel skel:blendShapeTargets = [{', '.join(f'</Avatar/Face/{name}>' for name in names)}]"
    yield "        rel skel:skeleton = </Avatar/Skeleton>"
    yield '        uniform token subdivisionScheme = "none"'
    for name in names:
        yield from _shape(name, mesh.target(name))
    yield "    }"


def _shape(name: str, moved: Points) -> Iterator[str]:
    """A blend shape: the vertices that move, and by how much."""
    rows = np.flatnonzero(moved.any(axis=1))
    yield ""
    yield f'        def BlendShape "{name}"'
    yield "        {"
    yield f"            uniform vector3f[] offsets = [{_vectors(moved[rows])}]"
    yield f"            uniform int[] pointIndices = [{', '.join(map(str, rows.tolist()))}]"
    yield "        }"


def _quoted(names: Sequence[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


def _vectors(points: Points) -> str:
    return ", ".join(f"({_numbers(row)})" for row in points.tolist())


def _numbers(values: Iterable[float]) -> str:
    return ", ".join(f"{value:.7g}" for value in values)
