from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from comps.animation.audio2face.names import ALL_SHAPES
from comps.animation.audio2face.solver import TONGUE, BlendshapeSolver, Poses, SolverSettings
from comps.core.errors import UnprocessableError
from tests.audio2face.vectors import TOLERANCE, named, read

Array = NDArray[np.float64]

PUBLISHED = read("solver")
CASES = named(PUBLISHED["cases"])
NEUTRAL: Array = np.array(PUBLISHED["neutral"])
SHAPES: Array = np.array(PUBLISHED["delta_poses"])
TARGETS: Array = np.array(PUBLISHED["targets"])
TERMS = ("l1", "l2", "symmetry", "temporal", "template_bb_size")


def published_solver(name: str, *, exact: bool = True) -> BlendshapeSolver:
    config = CASES[name]["config"]
    return BlendshapeSolver(
        NEUTRAL,
        SHAPES,
        Poses(*_tables(name)),
        SolverSettings(**{term: config[term] for term in TERMS}),
        vertices=config["frontal_mask"],
        exact=exact,
    )


def _tables(name: str) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(CASES[name]["config"][f"{kind}_poses"]) for kind in ("active", "cancel", "symmetry"))


def raw_weights(frame: dict[str, Any], solver: BlendshapeSolver) -> Array:
    """The published solution in the rig's order; the file has the active shapes only where some are not."""
    values = np.array(frame["weights_before_multiplier"])
    if len(values) == solver.shapes:
        return values
    weights = np.zeros(solver.shapes)
    weights[solver.active] = values
    return weights


@pytest.mark.parametrize("name", CASES)
def test_the_problem_is_the_published_one(name: str) -> None:
    case, solver = CASES[name], published_solver(name)
    assert solver.scale == pytest.approx(case["scale"], abs=TOLERANCE)
    assert solver.active.tolist() == case["active_indices"]
    np.testing.assert_allclose(solver.matrix, case["normal_matrix"], rtol=TOLERANCE, atol=TOLERANCE)
    previous = np.zeros(len(solver.active))
    for frame in case["frames"]:
        rhs = solver.project(TARGETS[[frame["target_frame"]]])[0] + solver.carry * previous
        np.testing.assert_allclose(rhs, frame["rhs"], rtol=TOLERANCE, atol=TOLERANCE)
        previous = raw_weights(frame, solver)[solver.active]


@pytest.mark.parametrize("name", CASES)
def test_weights_are_the_published_ones(name: str) -> None:
    case, solver = CASES[name], published_solver(name)
    order = [frame["target_frame"] for frame in case["frames"]]
    expected = np.stack([raw_weights(frame, solver) for frame in case["frames"]])
    np.testing.assert_allclose(solver.stream().solve(TARGETS[order]), expected, rtol=0, atol=TOLERANCE)
    np.testing.assert_allclose(solver.stream().solve(TARGETS[order].astype(np.float32)), expected, rtol=0, atol=2e-3)


@pytest.mark.parametrize("name", CASES)
def test_the_approximation_is_the_published_one(name: str) -> None:
    case, solver = CASES[name], published_solver(name, exact=False)
    config = case["config"]
    order = [frame["target_frame"] for frame in case["frames"]]
    weights = solver.stream().solve(TARGETS[order]) * config["multipliers"] + np.array(config["offsets"])
    np.testing.assert_allclose(weights, case["gpu_style_weights"], rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("name", ["mark_like", "temporal_and_cancel", "temporal_strong", "cancel", "frontal_mask"])
@given(data=st.data())
@settings(max_examples=15, deadline=None)
def test_chunks_of_any_size_give_the_same_weights(name: str, data: st.DataObject) -> None:
    solver = published_solver(name)
    poses = data.draw(st.lists(st.integers(0, 2), min_size=2, max_size=40))
    noise = np.random.default_rng(data.draw(st.integers(0, 1000))).normal(scale=0.5, size=(len(poses), *NEUTRAL.shape))
    targets = TARGETS[poses] + noise
    whole = solver.stream().solve(targets)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(poses)), max_size=5)))
    stream = solver.stream()
    parts = [stream.solve(part) for part in np.split(targets, cuts)]
    np.testing.assert_allclose(np.concatenate(parts), whole, rtol=0, atol=1e-9)
    assert whole.min() >= 0
    assert whole.max() <= 1


@pytest.mark.parametrize("name", ["temporal_and_cancel", "cancel"])
def test_of_a_pair_the_weaker_is_held_after_what_was_held_before(name: str) -> None:
    """As the formulas say it, frame by frame; the pairs are so near to each other that the frames before decide some."""
    solver = published_solver(name)
    first, second = np.array(Poses(*_tables(name)).cancel_pairs()).T
    random = np.random.default_rng(2)
    weights = random.uniform(-0.1, 1.1, (300, 12))
    weights[:, solver.active[second]] = weights[:, solver.active[first]] + random.normal(
        scale=1e-3, size=(300, len(first))
    )
    targets = NEUTRAL + np.tensordot(weights, SHAPES, 1)
    previous, expected = np.zeros(len(solver.active)), []
    for rhs in solver.project(targets):
        b = (rhs + solver.carry * previous)[None]
        x = solver.problem.solve(b, np.ones_like(b)).x[0]
        wins, upper = x[first] >= x[second], np.ones_like(b)
        upper[0, second], upper[0, first] = np.where(wins, 1e-10, 1), np.where(wins, 1, 1e-10)
        previous = solver.problem.solve(b, upper).x[0]
        expected.append(previous)
    np.testing.assert_allclose(solver.stream().solve(targets)[:, solver.active], expected, rtol=0, atol=1e-9)


def test_pairs_that_are_decided_otherwise_every_time_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """As rounding may decide where both of a pair are equal."""
    solver = published_solver("temporal_and_cancel")
    targets = np.repeat(TARGETS, 4, axis=0)
    decided: list[NDArray[np.bool_]] = []

    def winners(x: Array) -> NDArray[np.bool_]:
        assert len(decided) <= len(targets) + 1, "the rounds do not end"
        decided.append(np.full((len(x), len(solver._pairs)), len(decided) % 2 == 0))
        return decided[-1]

    monkeypatch.setattr(solver, "_winners", winners)
    monkeypatch.setattr(solver, "_margin", lambda x: np.zeros(len(x)))
    weights = solver.stream().solve(targets)
    assert len(decided) > len(targets)
    assert weights.min() >= 0
    assert weights.max() <= 1


def test_frames_beyond_one_stretch_continue_it_and_streams_are_apart() -> None:
    solver = published_solver("temporal_strong")
    targets = np.repeat(TARGETS, 100, axis=0)
    stream, other = solver.stream(), solver.stream()
    whole = stream.solve(targets)
    other.solve(TARGETS[2:])
    np.testing.assert_allclose(solver.stream().solve(targets[:1]), whole[:1], rtol=0, atol=1e-9)
    singles = solver.stream()
    np.testing.assert_allclose(
        np.concatenate([singles.solve(target[None]) for target in targets]), whole, rtol=0, atol=1e-9
    )
    stream.reset()
    np.testing.assert_allclose(stream.solve(targets[:5]), whole[:5], rtol=0, atol=1e-9)
    assert solver.stream().solve(targets[:0]).shape == (0, 12)


def test_a_shape_that_nothing_moves_stays_0_and_points_that_nothing_moves_do_not_count() -> None:
    shapes = SHAPES.copy()
    shapes[3] = 0
    shapes[:, 5:] = 0
    poses = Poses((True,) * 12, (-1,) * 12, (-1,) * 12)
    solver = BlendshapeSolver(NEUTRAL, shapes, poses)
    weights = solver.stream().solve(TARGETS)
    assert (weights[:, 3] == 0).all()
    moved = TARGETS.copy()
    moved[:, 5:] += 1000
    np.testing.assert_allclose(solver.stream().solve(moved), weights, rtol=0, atol=1e-9)


def test_a_rig_with_two_copies_of_a_shape_and_no_regularisation_still_fits() -> None:
    shapes = np.concatenate([SHAPES, SHAPES[:1]])
    poses = Poses((True,) * 13, (-1,) * 13, (-1,) * 13)
    solver = BlendshapeSolver(NEUTRAL, shapes, poses, SolverSettings(l1=0, l2=0))
    weights = solver.stream().solve(NEUTRAL + np.tensordot([[0.25] * 13, [0.5, *[0.0] * 11, 0.5]], shapes, 1))
    np.testing.assert_allclose(weights[:, 0] + weights[:, 12], [0.5, 1.0], rtol=0, atol=TOLERANCE)
    np.testing.assert_allclose(weights[:, 1:12], [[0.25] * 11, [0.0] * 11], rtol=0, atol=TOLERANCE)


def test_poses_by_name_have_the_default_pairs_and_drop_inactive_ones() -> None:
    poses = Poses.named(ALL_SHAPES)
    assert (len(poses.indices()), len(poses.symmetry_pairs()), poses.cancel_pairs()) == (59, 13, [])
    one_sided = Poses.named(("EyeBlinkLeft", "EyeBlinkRight", "Other"), active={"EyeBlinkLeft": 0})
    assert one_sided.indices() == [1, 2]
    assert one_sided.symmetry_pairs() == []


@pytest.mark.parametrize(
    ("active", "cancel", "symmetry", "message"),
    [
        ([0, 0, 0], [-1] * 3, [-1] * 3, "no pose is active"),
        ([1, 1, 1], [4, 4, 4], [-1] * 3, "cancel_poses: the id 4 occurs 3 times"),
        ([1, 1, 0], [-1] * 3, [7, -1, -1], "symmetry_poses: the id 7 occurs 1 times"),
        ([1, 1], [-1] * 3, [-1] * 2, "cancel_poses has 3 entries for 2 shapes"),
    ],
)
def test_impossible_poses_are_refused(active: list[int], cancel: list[int], symmetry: list[int], message: str) -> None:
    with pytest.raises(UnprocessableError, match=message):
        Poses(tuple(map(bool, active)), tuple(cancel), tuple(symmetry))


def test_two_poses_without_a_pair_do_not_become_one() -> None:
    poses = Poses((True, True, False), (-1, -1, -1), (-1, -1, -1))
    assert poses.symmetry_pairs() == poses.cancel_pairs() == []


def test_rigs_and_targets_that_do_not_fit_are_refused() -> None:
    poses = Poses((True,) * 12, (-1,) * 12, (-1,) * 12)
    broken = SHAPES.copy()
    broken[0, 0, 0] = np.nan
    for neutral, shapes, vertices, message in (
        (NEUTRAL[:-1], SHAPES, None, "are not"),
        (NEUTRAL, SHAPES[:-1], None, "12 shapes; the rig has 11"),
        (NEUTRAL, broken, None, "not finite"),
        (NEUTRAL, SHAPES, [40], "0 to 39"),
        (NEUTRAL, SHAPES, [], "0 to 39"),
    ):
        with pytest.raises(UnprocessableError, match=message):
            BlendshapeSolver(neutral, shapes, poses, vertices=vertices)
    solver = BlendshapeSolver(NEUTRAL, SHAPES, poses, TONGUE)
    with pytest.raises(UnprocessableError, match="the rig has"):
        solver.stream().solve(TARGETS[:, :-1])
    with pytest.raises(UnprocessableError, match="not finite"):
        solver.stream().solve(np.full_like(TARGETS, np.nan))
    with pytest.raises(UnprocessableError, match="templateBBSize"):
        SolverSettings(template_bb_size=0.5)
