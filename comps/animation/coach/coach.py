"""Coach: a picture, a recording and a prompt against all rules, each looked at once."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field

from comps.animation.coach.agreement import check_agreement
from comps.animation.coach.finding import Report
from comps.animation.coach.image.check import check_image
from comps.animation.coach.image.repair import repair_image
from comps.animation.coach.image.upscaler import Upscale
from comps.animation.coach.picture_facts import PictureFacts
from comps.animation.coach.prompt.check import check_prompt
from comps.animation.coach.prompt.repair import repair_prompt
from comps.animation.coach.sound.check import MAX_SECONDS, check_audio
from comps.animation.coach.sound.repair import repair_audio
from comps.animation.engines.portrait.rig.mesh import FindMeshes
from comps.animation.once import OnceCache
from comps.core.errors import UnprocessableError

KEPT = 64
"""Reports kept by the content of what they are about; a few kB each."""


@dataclass(frozen=True, slots=True)
class Inputs:
    """What is to be looked at; None for what is not given. `facts` are what is known of the person in the picture."""

    image: bytes | None = None
    audio: bytes | None = None
    prompt: str | None = None
    facts: PictureFacts | None = None


@dataclass(frozen=True, slots=True)
class Advice:
    """A report for each input that was given, and on how they agree where there are two or more."""

    image: Report | None = None
    audio: Report | None = None
    prompt: Report | None = None
    together: Report | None = None

    @property
    def reports(self) -> dict[str, Report]:
        """Those there are, by the name of their subject."""
        named = {"image": self.image, "audio": self.audio, "prompt": self.prompt, "together": self.together}
        return {name: report for name, report in named.items() if report is not None}

    @property
    def usable(self) -> bool:
        """Whether nothing found makes the work impossible."""
        return all(report.usable for report in self.reports.values())


@dataclass(frozen=True, slots=True)
class Mended:
    """What `Coach.mend` made: the inputs, a sentence on each step, and the advice on them as they are now.

    An input without a step is the original.
    """

    inputs: Inputs
    advice: Advice
    steps: dict[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CoachLimits:
    """What is looked at at most: `pixels` of a picture, `seconds` of a recording, which is held in memory whole."""

    pixels: int = 50_000_000
    seconds: float = MAX_SECONDS


class Coach:
    """Checks and mends inputs. Its methods block, and may run on several threads at once.

    Args:
        limits: what is looked at at most.
        kept: reports kept.
        find_meshes: finds the landmarks of faces; None leaves them to what the base install can.
        upscale: enlarges small pictures while they are mended; None leaves them as they are.
    """

    def __init__(
        self,
        limits: CoachLimits | None = None,
        kept: int = KEPT,
        find_meshes: FindMeshes | None = None,
        upscale: Upscale | None = None,
    ) -> None:
        self._limits = limits or CoachLimits()
        self._find_meshes = find_meshes
        self._upscale = upscale
        self._reports: OnceCache[Report] = OnceCache(kept)

    def check(self, inputs: Inputs) -> Advice:
        """Measure what is given; what was seen before is answered from memory. Raises nothing on account of it."""
        image = self._once("image", inputs.image, self._image)
        audio = self._once("audio", inputs.audio, self._audio)
        prompt = None
        if inputs.prompt is not None:
            prompt = self._once("prompt", inputs.prompt.encode(), lambda text: check_prompt(text.decode()))
        return Advice(image, audio, prompt, check_agreement(inputs.prompt, image, audio, picture=inputs.facts))

    def mend(self, inputs: Inputs) -> Mended:
        """New versions of what is given, each mended as far as it can be, and what is left to say about them."""
        steps: dict[str, tuple[str, ...]] = {}
        image, audio, prompt = inputs.image, inputs.audio, inputs.prompt
        if image is not None:
            picture = repair_image(
                image, max_pixels=self._limits.pixels, upscale=self._upscale, find_meshes=self._find_meshes
            )
            image, steps["image"] = picture.data, picture.steps
        if audio is not None:
            audio, steps["audio"] = self._mended_sound(audio)
        if prompt is not None:
            text = repair_prompt(prompt)
            prompt, steps["prompt"] = text.text, text.steps
        mended = Inputs(image, audio, prompt, inputs.facts)
        return Mended(mended, self.check(mended), steps)

    def _once(self, kind: str, data: bytes | None, check: Callable[[bytes], Report]) -> Report | None:
        if data is None:
            return None
        return self._reports.get((kind, hashlib.sha256(data).digest()), lambda: check(data))

    def _image(self, data: bytes) -> Report:
        return check_image(data, max_pixels=self._limits.pixels, find_meshes=self._find_meshes)

    def _audio(self, data: bytes) -> Report:
        return check_audio(data, max_seconds=self._limits.seconds)

    def _mended_sound(self, audio: bytes) -> tuple[bytes, tuple[str, ...]]:
        try:
            sound = repair_audio(audio, max_seconds=self._limits.seconds)
        except UnprocessableError:  # its report says why
            return audio, ()
        return (sound.data, sound.steps) if sound.steps else (audio, ())
