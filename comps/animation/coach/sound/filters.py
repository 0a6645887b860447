"""FFmpeg's audio filters, through the library that PyAV carries."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.filter import Graph

from comps.animation.coach.sound.levels import Samples

_BLOCK = 1 << 15


def filtered(samples: Samples, rate: int, name: str, options: str = "") -> Samples:
    """Mono float32 `[n]` at `rate` Hz through the filter `name` with `options` as FFmpeg writes them, ``a=1:b=2``."""
    graph, time_base = Graph(), Fraction(1, rate)
    source = graph.add_abuffer(sample_rate=rate, format="fltp", layout="mono", time_base=time_base)
    filters = [graph.add(name, options), graph.add("aformat", "sample_fmts=fltp"), graph.add("abuffersink")]
    for earlier, later in zip([source, *filters], filters, strict=False):
        earlier.link_to(later)
    graph.configure()
    pieces: list[Samples] = []
    for start in range(0, len(samples), _BLOCK):
        frame = AudioFrame.from_ndarray(np.ascontiguousarray(samples[None, start : start + _BLOCK]), "fltp", "mono")
        frame.sample_rate, frame.pts, frame.time_base = rate, start, time_base
        graph.push(frame)
        pieces.extend(_ready(graph))
    graph.push(None)
    pieces.extend(_ready(graph))
    return np.concatenate(pieces) if pieces else np.zeros(0, np.float32)


def _ready(graph: Graph) -> Iterator[Samples]:
    while True:
        try:
            frame = graph.pull()
        except (av.error.BlockingIOError, av.error.EOFError):
            return
        yield frame.to_ndarray().reshape(-1).astype(np.float32)
