"""Splines, grids, and where a pixel comes from."""

from __future__ import annotations

import numpy as np
import pytest

from comps.animation.engines.portrait.render.field import invert
from comps.animation.engines.portrait.render.grid import Grid, enlarge
from comps.animation.engines.portrait.render.head import depth_at, head_mask
from comps.animation.engines.portrait.render.spline import ThinPlate
from tests.animation.faces import face

RANDOM = np.random.default_rng(0)


def test_a_spline_passes_through_its_points() -> None:
    centres = RANDOM.uniform(-1, 1, (30, 2))
    values = RANDOM.normal(size=(30, 3))
    np.testing.assert_allclose(ThinPlate(centres, values, 0.0)(centres), values, atol=2e-3)


def test_a_spline_of_a_plane_is_the_plane() -> None:
    centres = RANDOM.uniform(-1, 1, (20, 2))
    values = centres @ np.array([[1.0, 2.0], [3.0, -1.0]]) + 0.5
    points = RANDOM.uniform(-2, 2, (50, 2))
    expected = points @ np.array([[1.0, 2.0], [3.0, -1.0]]) + 0.5
    np.testing.assert_allclose(ThinPlate(centres, values)(points), expected, atol=1e-3)


@pytest.mark.parametrize("stride", [2, 4, 8])
def test_enlarged_nodes_are_pixels(stride: int) -> None:
    grid = Grid(left=16, top=8, width=40, height=31 + 31 % 2, stride=stride)
    nodes = grid.nodes(grid.whole).reshape(*grid.whole.shape, 2).astype(np.float32)
    pixels = enlarge(nodes, stride)[: grid.height, : grid.width]
    np.testing.assert_allclose(pixels[..., 0], np.broadcast_to(np.arange(16, 56), pixels.shape[:2]), atol=1e-4)
    np.testing.assert_allclose(pixels[..., 1].T, np.broadcast_to(np.arange(8, 40), pixels.shape[1::-1]), atol=1e-4)


def test_inversion_finds_what_lands_on_a_node() -> None:
    grid = Grid(0, 0, 160, 160, 4)
    nodes = grid.nodes(grid.whole).reshape(*grid.whole.shape, 2).astype(np.float32)

    def moved(points: np.ndarray) -> np.ndarray:
        bump = np.exp(-((points - 80) ** 2).sum(-1, keepdims=True) / 800)
        return (bump * (6.0, 9.0)).astype(np.float32)

    source = invert(moved(nodes), nodes, 4, nodes, 8)
    np.testing.assert_allclose(source + moved(source), nodes, atol=0.12)


def test_every_shape_fades_before_the_edge_of_its_box() -> None:
    field = face().field
    for shapes in (field.face, field.chin):
        moved = np.abs(shapes.basis).reshape(len(shapes.basis), *shapes.box.shape, 2)
        assert moved[:, 0].max() < 0.15
        assert moved[:, :, [0, -1]].max() < 0.15


def test_the_chin_follows_the_jaw_and_the_brow_does_not() -> None:
    field, anatomy = face().field, face().anatomy
    nodes = field.grid.nodes(field.face.box)
    down = field.face.basis[field.names.index("jawOpen")].reshape(-1, 2)[:, 1] / anatomy.unit

    def at(point: int) -> float:
        return float(down[np.argmin(((nodes - anatomy.points[point]) ** 2).sum(1))])

    assert at(8) > 0.25
    assert abs(at(19)) < 0.02
    assert abs(at(33)) < 0.02


def test_a_spline_shape_is_mirrored() -> None:
    field = face().field
    left, right = (
        np.abs(field.upper_curve[field.names.index(f"mouthSmile{side}")]).sum() for side in ("Left", "Right")
    )
    assert left == pytest.approx(right, rel=0.05)


def test_the_nose_is_nearest_and_the_outline_has_no_depth() -> None:
    anatomy = face().anatomy
    nose, cheek, beyond = depth_at(anatomy, np.array([(0.0, -0.4), (0.7, -0.4), (2.0, -0.4)]))
    assert nose > cheek > 0
    assert abs(beyond) < 0.01
    assert head_mask(anatomy, np.array([(0.0, -0.5), (4.0, -0.5)])).tolist() == [1.0, 0.0]
