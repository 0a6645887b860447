from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from comps.animation.audio2face import bounded
from comps.animation.audio2face.bounded import BoundedLeastSquares, Chain

Array = NDArray[np.float64]


def problem(seed: int, size: int, rows: int, decades: float) -> tuple[Array, Array, Array]:
    """A symmetric matrix whose singular values span `decades`, right sides that press against both bounds, and bounds."""
    random = np.random.default_rng(seed)
    basis, _ = np.linalg.qr(random.normal(size=(size, size)))
    matrix = basis * 10 ** np.linspace(0, decades, size) @ basis.T
    upper = np.where(random.uniform(size=(rows, size)) < 0.1, 1e-10, 1.0)
    return matrix, random.uniform(-1, 2, (rows, size)) @ matrix, upper


def step_left(matrix: Array, rhs: Array, upper: Array, x: Array) -> float:
    """The largest step projected coordinate descent would still take: 0 where the Karush-Kuhn-Tucker conditions hold."""
    gradient = (x @ matrix.T - rhs) @ matrix
    return float(np.abs(np.clip(x - gradient / (matrix**2).sum(axis=0), 0, upper) - x).max())


def best_by_enumeration(matrix: Array, rhs: Array, upper: Array) -> Array:
    """The optimum of one small system: the best feasible one of all choices of free and fixed variables."""
    best, least = np.zeros(len(rhs)), np.inf
    for sides in itertools.product((0, 1, 2), repeat=len(rhs)):
        fixed = np.array(sides) != 0
        x = np.where(np.array(sides) == 2, upper, 0.0)
        if not fixed.all():
            x[~fixed] = np.linalg.lstsq(matrix[:, ~fixed], rhs - matrix @ x, rcond=None)[0]
        error = float(((matrix @ x - rhs) ** 2).sum())
        if error < least and (x >= -1e-12).all() and (x <= upper + 1e-12).all():
            best, least = x, error
    return best


@given(seed=st.integers(0, 10_000), size=st.integers(1, 68), rows=st.integers(1, 80), decades=st.floats(0, 3.5))
@settings(max_examples=60, deadline=None)
def test_solutions_are_within_their_bounds_and_optimal(seed: int, size: int, rows: int, decades: float) -> None:
    matrix, rhs, upper = problem(seed, size, rows, decades)
    x = BoundedLeastSquares(matrix).solve(rhs, upper).x
    assert (x >= 0).all()
    assert (x <= upper).all()
    assert step_left(matrix, rhs, upper, x) < 1e-8


@given(seed=st.integers(0, 10_000), size=st.integers(1, 6))
@settings(max_examples=25, deadline=None)
def test_the_solution_is_the_best_of_all_choices(seed: int, size: int) -> None:
    matrix, rhs, upper = problem(seed, size, 1, 1.0)
    np.testing.assert_allclose(
        BoundedLeastSquares(matrix).solve(rhs, upper).x[0],
        best_by_enumeration(matrix, rhs[0], upper[0]),
        rtol=0,
        atol=1e-9,
    )


@given(seed=st.integers(0, 10_000))
@settings(max_examples=20, deadline=None)
def test_rows_do_not_depend_on_each_other_nor_on_the_start(seed: int) -> None:
    matrix, rhs, upper = problem(seed, 20, 30, 2.0)
    solver = BoundedLeastSquares(matrix)
    whole = solver.solve(rhs, upper)
    singles = [solver.solve(rhs[[row]], upper[[row]]).x[0] for row in range(30)]
    np.testing.assert_allclose(singles, whole.x, rtol=0, atol=1e-9)
    shuffled = whole[np.roll(np.arange(30), 1)]
    np.testing.assert_allclose(solver.solve(rhs, upper, start=shuffled).x, whole.x, rtol=0, atol=1e-9)


@pytest.mark.parametrize(("patience", "long_patience"), [(0, 400), (0, 0)], ids=["search", "single"])
def test_each_way_of_exchanging_ends_at_the_same_solution(
    monkeypatch: pytest.MonkeyPatch, patience: int, long_patience: int
) -> None:
    matrix, rhs, upper = problem(3, 12, 40, 1.5)
    expected = BoundedLeastSquares(matrix).solve(rhs, upper).x
    monkeypatch.setattr(bounded, "_PATIENCE", patience - 1)
    monkeypatch.setattr(bounded, "_LONG_PATIENCE", long_patience or -1)
    solver = BoundedLeastSquares(matrix)
    solver._most_rounds = 5000
    np.testing.assert_allclose(solver.solve(rhs, upper).x, expected, rtol=0, atol=1e-9)


def test_where_pivoting_does_not_end_descent_comes_to_the_same() -> None:
    matrix, rhs, upper = problem(4, 10, 20, 0.7)
    solver = BoundedLeastSquares(matrix)
    expected = solver.solve(rhs, upper).x
    solver._most_rounds = 1
    np.testing.assert_allclose(solver.solve(rhs, upper).x, expected, rtol=0, atol=1e-6)


def test_a_singular_matrix_has_a_solution_that_fits_as_well_as_any() -> None:
    matrix, rhs, upper = np.ones((3, 3)), np.array([[1.5, 1.5, 1.5], [-1, -1, -1], [9, 9, 9]], float), np.ones((3, 3))
    x = BoundedLeastSquares(matrix).solve(rhs, upper).x
    np.testing.assert_allclose(x.sum(axis=1), [1.5, 0, 3], rtol=0, atol=1e-6)
    assert (BoundedLeastSquares(np.zeros((2, 2))).solve(np.zeros((1, 2)), np.ones((1, 2))).x == 0).all()


@given(seed=st.integers(0, 10_000), size=st.integers(1, 30), rows=st.integers(1, 40), ended=st.booleans())
@settings(max_examples=25, deadline=None)
def test_rows_of_a_chain_are_those_of_one_after_the_other(seed: int, size: int, rows: int, ended: bool) -> None:
    matrix, rhs, upper = problem(seed, size, rows, 2.0)
    solver = BoundedLeastSquares(matrix)
    if not ended:  # what pivoting did not end for is solved more slowly, to 1e-6 or so
        solver._most_rounds = 2
    previous = np.linspace(0, 1, size)
    expected = []
    for row in range(rows):
        before = expected[-1] if expected else previous
        expected.append(solver.solve(rhs[[row]] + 0.02 * before, upper[[row]]).x[0])
    found = solver.solve(rhs, upper, chain=Chain(0.02, previous, 1e-10)).x
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9 if ended else 1e-2)


@pytest.mark.parametrize("chain", [None, Chain(0.02, np.zeros(4), 1e-10)])
def test_no_rows_have_no_solutions(chain: Chain | None) -> None:
    matrix, _, _ = problem(1, 4, 1, 1.0)
    found = BoundedLeastSquares(matrix).solve(np.zeros((0, 4)), np.zeros((0, 4)), chain=chain)
    assert (found.x.shape, found.sides.shape) == ((0, 4), (0, 4))
    assert (found.x.dtype, found.sides.dtype) == (np.float64, np.int8)


def test_a_start_or_near_solutions_change_nothing_but_the_way() -> None:
    matrix, rhs, upper = problem(7, 40, 30, 2.0)
    solver = BoundedLeastSquares(matrix)
    whole = solver.solve(rhs, upper)
    np.testing.assert_allclose(solver.solve(rhs, upper, near=whole.x[::-1]).x, whole.x, rtol=0, atol=1e-9)
    alone = [solver.solve(rhs[[row]], upper[[row]], near=whole.x[[row]]).x[0] for row in range(30)]
    np.testing.assert_allclose(alone, whole.x, rtol=0, atol=1e-9)


@pytest.mark.parametrize("few_rounds", [0, 1, 12])
def test_a_single_row_ends_at_the_same_solution_either_way(monkeypatch: pytest.MonkeyPatch, few_rounds: int) -> None:
    matrix, rhs, upper = problem(5, 40, 12, 2.0)
    solver = BoundedLeastSquares(matrix)
    whole = solver.solve(rhs, upper)
    monkeypatch.setattr(bounded, "_FEW_ROUNDS", few_rounds)
    for row in range(12):
        alone = solver.solve(rhs[[row]], upper[[row]])
        np.testing.assert_allclose(alone.x[0], whole.x[row], rtol=0, atol=1e-9)
        assert (alone.sides == whole.sides[row]).all()
