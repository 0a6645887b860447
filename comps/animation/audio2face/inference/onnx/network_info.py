"""What `network_info.json` says about a network: its sizes, its window of audio, its emotions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from comps.animation.audio2face.inference.model import SAMPLE_RATE
from comps.animation.audio2face.inference.onnx.folder import ModelFolder
from comps.animation.audio2face.names import DETECTOR_EMOTIONS, face_emotion

_LARGEST = 1 << 24
"""Most of anything: vertices times three of a network are some 1e5."""


@dataclass(frozen=True, slots=True)
class RegressionInfo:
    """A network that tells a frame from the audio around it.

    Attributes:
        window: samples it hears; the frame is at sample `centre` of them.
        implicit: numbers of its implicit emotion, which come before the explicit ones.
        emotions: place in `names.FACE_EMOTIONS` of each explicit emotion.
        skin, tongue: components it tells.
        skin_vertices, tongue_vertices: points that they move.
        jaw, eyes: further numbers, behind them.
    """

    window: int
    centre: int
    implicit: int
    emotions: tuple[int, ...]
    skin: int
    tongue: int
    skin_vertices: int
    tongue_vertices: int
    jaw: int
    eyes: int

    @property
    def result(self) -> int:
        """Numbers of a frame."""
        return self.skin + self.tongue + self.jaw + self.eyes


@dataclass(frozen=True, slots=True)
class DiffusionInfo:
    """A network that draws the frames of a window from noise.

    Attributes:
        window: samples it hears.
        padding: samples of silence before the clip that its first window begins with.
        left, centre, right: frames of a window; those in the centre are kept.
        identities: whose way of moving it knows, in order.
        emotions: place in `names.FACE_EMOTIONS` of each emotion.
        skin, tongue: coordinates of points that it tells, three for each.
        jaw, eyes: further numbers, behind them.
        steps, layers, latent: sizes of what it remembers from window to window; it takes noise for `steps` + 1.
    """

    window: int
    padding: int
    left: int
    centre: int
    right: int
    identities: tuple[str, ...]
    emotions: tuple[int, ...]
    skin: int
    tongue: int
    jaw: int
    eyes: int
    steps: int
    layers: int
    latent: int

    @property
    def frames(self) -> int:
        """Frames of a window."""
        return self.left + self.centre + self.right

    @property
    def result(self) -> int:
        """Numbers of a frame."""
        return self.skin + self.tongue + self.jaw + self.eyes

    @property
    def fps(self) -> int:
        """Its own frames per second."""
        return self.frames * SAMPLE_RATE // self.window

    @property
    def before(self) -> int:
        """Frames that lie before the clip."""
        return self.padding * self.fps // SAMPLE_RATE - self.left


def regression_info(folder: ModelFolder, character: str) -> RegressionInfo:
    """Sizes of a character's regression network.

    Raises:
        EngineUnavailableError: the file is broken, or of another kind of network or another character.
    """
    info = _Info(folder, "regression")
    info.check_actor(character)
    return RegressionInfo(
        window=info.audio("buffer_len"),
        centre=info.audio("buffer_ofs"),
        implicit=info.size("implicit_emotion_len", least=0),
        emotions=info.emotions("explicit_emotions"),
        skin=info.size("num_shapes_skin"),
        tongue=info.size("num_shapes_tongue"),
        skin_vertices=info.size("num_verts_skin"),
        tongue_vertices=info.size("num_verts_tongue"),
        jaw=info.size("result_jaw_size", least=0),
        eyes=info.size("result_eyes_size", least=0),
    )


def diffusion_info(folder: ModelFolder) -> DiffusionInfo:
    """Sizes of a diffusion network.

    Raises:
        EngineUnavailableError: the file is broken, of another kind of network, or its frames do not fall on its windows.
    """
    info = _Info(folder, "diffusion")
    found = DiffusionInfo(
        window=info.audio("buffer_len"),
        padding=info.audio("padding_left", least=0),
        left=info.size("num_frames_left_truncate", least=0),
        centre=info.size("num_frames_center"),
        right=info.size("num_frames_right_truncate", least=0),
        identities=info.texts("identities"),
        emotions=info.emotions("emotions"),
        skin=info.points("skin_size"),
        tongue=info.points("tongue_size"),
        jaw=info.size("jaw_size", least=0),
        eyes=info.size("eyes_size", least=0),
        steps=info.size("num_diffusion_steps"),
        layers=info.size("num_gru_layers"),
        latent=info.size("gru_latent_dim"),
    )
    if found.frames * SAMPLE_RATE % found.window or found.padding * found.fps % SAMPLE_RATE or found.before < 0:
        raise info.fault("its windows do not hold a whole number of frames")
    return found


def detector_order(folder: ModelFolder) -> tuple[int, ...]:
    """Place in a detector's answer of each of `names.DETECTOR_EMOTIONS`; EngineUnavailableError for other emotions."""
    info = _Info(folder, "")
    emotions = info.texts("emotions", info.whole)
    if sorted(emotions) != sorted(DETECTOR_EMOTIONS):
        raise info.fault(f"it tells {', '.join(emotions)}; expected {', '.join(DETECTOR_EMOTIONS)}")
    return tuple(emotions.index(name) for name in DETECTOR_EMOTIONS)


class _Info:
    """The file, read key by key."""

    def __init__(self, folder: ModelFolder, kind: str) -> None:
        self._folder = folder
        self._name = folder.named("networkInfoPath", "network_info.json")
        self.whole = folder.json(self._name)
        self._params = self._section("params") if kind else {}
        self._audio = self._section("audio_params")
        self._id = self._section("id") if kind else {}
        if kind and self._id.get("type") != kind:
            raise self.fault(f"it is a network of the type {str(self._id.get('type'))[:40]!r}, not '{kind}'")
        if self.audio("samplerate") != SAMPLE_RATE:
            raise self.fault(f"it hears {self.audio('samplerate')} Hz; expected {SAMPLE_RATE}")

    def check_actor(self, character: str) -> None:
        actor = str(self._id.get("actor", ""))
        if actor.lower() != character:
            raise self.fault(f"it is the network of '{actor[:40]}', not of '{character}'")

    def size(self, key: str, *, least: int = 1) -> int:
        return self._size(self._params, "params", key, least)

    def audio(self, key: str, *, least: int = 1) -> int:
        return self._size(self._audio, "audio_params", key, least)

    def points(self, key: str) -> int:
        found = self.size(key)
        if found % 3:
            raise self.fault(f"params/{key} is {found}; expected three numbers for each point")
        return found

    def texts(self, key: str, section: Mapping[str, Any] | None = None) -> tuple[str, ...]:
        found = (self._params if section is None else section).get(key)
        if (
            not isinstance(found, Sequence)
            or isinstance(found, str)
            or not all(isinstance(name, str) for name in found)
        ):
            raise self.fault(f"{key} is no list of names")
        return tuple(found)

    def emotions(self, key: str) -> tuple[int, ...]:
        names = self.texts(key)
        places = [face_emotion(name) for name in names]
        if not names or None in places or len(set(places)) != len(places):
            raise self.fault(f"params/{key} is {', '.join(names)[:200]}; expected emotions of the face, each once")
        return tuple(place for place in places if place is not None)

    def fault(self, what: str) -> Exception:
        return self._folder.fault(self._name, what)

    def _section(self, key: str) -> Mapping[str, Any]:
        found = self.whole.get(key)
        if not isinstance(found, dict):
            raise self.fault(f"has no section '{key}'")
        return found

    def _size(self, section: Mapping[str, Any], name: str, key: str, least: int) -> int:
        found = section.get(key)
        if not isinstance(found, int) or isinstance(found, bool) or not least <= found <= _LARGEST:
            raise self.fault(f"{name}/{key} is {str(found)[:40]}; expected a whole number from {least}")
        return found
