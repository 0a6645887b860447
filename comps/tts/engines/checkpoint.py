"""What the engine ``transformers`` does with a checkpoint, whatever its architecture."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from comps.core.errors import EngineUnavailableError, UpstreamError
from comps.core.speech import Pcm
from comps.tts.engine import TtsOptions

_LARGEST_GAP = 0.1
"""Share of a model's weights that its files may lack; some are not used for speaking."""


class Checkpoint(Protocol):
    """A loaded model that speaks."""

    @property
    def names(self) -> tuple[str, ...]:
        """Voices besides ``default``."""

    def refuse(self, options: TtsOptions) -> None:
        """Raise UnprocessableError for an option that the model cannot follow; voice and language are checked."""

    def say(self, text: str, options: TtsOptions) -> tuple[Pcm, int]:
        """Samples and their rate, Hz. Blocks; one caller at a time."""


def loaded(model_class: Any, name: str, device: str) -> Any:
    """The model in `name` on `device`, ready to be used.

    Raises:
        EngineUnavailableError: its files lack much of what the model is made of, which the library
            would fill with random numbers.
    """
    model, info = model_class.from_pretrained(name, output_loading_info=True)
    missing, all_of_them = len(info["missing_keys"]), len(model.state_dict())
    if missing > _LARGEST_GAP * all_of_them:
        raise EngineUnavailableError(
            f"'{name}' is no checkpoint of {model_class.__name__}: it lacks {missing} of {all_of_them} weights"
        )
    return model.to(device).eval()


def to_pcm(wave: NDArray[np.floating[Any]]) -> Pcm:
    """int16 of a float waveform `[n]` in -1..1; what is beyond is cut.

    Raises UpstreamError when it is not made of finite numbers, as weights that are broken make it.
    """
    flat = np.asarray(wave, dtype=np.float32).reshape(-1)
    if not np.isfinite(flat).all():
        raise UpstreamError("the model made sound that is not made of numbers; its weights are broken", service="tts")
    return np.asarray(np.clip(flat, -1.0, 1.0) * 32767.0, dtype=np.int16)
