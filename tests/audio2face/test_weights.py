from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from comps.animation.audio2face.weights import WeightLayer, WeightTuning
from comps.core.errors import UnprocessableError
from tests.audio2face.vectors import TOLERANCE, read


@pytest.mark.parametrize("case", read("blendshape_postprocess")["cases"], ids=lambda case: case["name"])
def test_streamed_weights_are_the_published_ones(case: dict[str, Any]) -> None:
    deployed, requested = case["deployment"], case["runtime"]
    layers = [
        WeightLayer(deployed["weight_multipliers"], deployed["weight_offsets"], deployed["enable_clamping_bs_weight"]),
        WeightLayer(
            requested["bs_weight_multipliers"], requested["bs_weight_offsets"], requested["enable_clamping_bs_weight"]
        ),
    ]
    tuning = WeightTuning.layered(case["names"], layers, deployed["active_poses"])
    np.testing.assert_allclose(tuning.apply(np.array(case["raw"])), case["expected"], rtol=0, atol=TOLERANCE)
    frames = tuning.apply(np.array([case["raw"]] * 3))
    np.testing.assert_allclose(frames, [case["expected"]] * 3, rtol=0, atol=TOLERANCE)


def test_a_model_file_is_below_the_deployment_key_by_key() -> None:
    layers = [WeightLayer({"A": 3.0, "B": 2.0}, {"A": 1.0}, True), WeightLayer({"A": 0.5}, {})]
    tuning = WeightTuning.layered(("A", "B"), layers)
    assert (tuning.multipliers.tolist(), tuning.offsets.tolist(), tuning.clamp) == ([0.5, 2.0], [1.0, 0.0], True)


def test_numbers_that_are_not_finite_are_refused_by_name() -> None:
    with pytest.raises(UnprocessableError, match=r"bs_weight_offsets\.JawOpen = nan is not a number"):
        WeightLayer({}, {"JawOpen": math.nan})
