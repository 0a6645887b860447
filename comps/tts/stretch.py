"""Faster or slower without a change of pitch, piece by piece (FFmpeg's WSOLA filter ``atempo``)."""

from __future__ import annotations

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.filter import Graph

from comps.core.speech import Pcm


class TimeStretch:
    """Stretches one stream of mono int16 PCM.

    Args:
        tempo: 0.5 to 2; 2 is twice as fast. Exactly 1 passes the samples through.
        sample_rate: Hz.
    """

    def __init__(self, tempo: float, sample_rate: int) -> None:
        self._rate = sample_rate
        self._tempo = tempo
        self._fed = 0
        self._given = 0
        self._graph = _graph(tempo, sample_rate) if tempo != 1.0 else None

    def feed(self, pcm: Pcm) -> Pcm:
        """The next samples; returns those that are ready, which may be none."""
        if self._graph is None or not len(pcm):
            return pcm
        frame = AudioFrame.from_ndarray(np.ascontiguousarray(pcm)[None, :], "s16", "mono")
        frame.sample_rate, frame.pts = self._rate, self._fed
        self._fed += len(pcm)
        self._graph.push(frame)
        return self._pull()

    def finish(self) -> Pcm:
        """The samples left; call once. In all there are exactly as many as the tempo says."""
        if self._graph is None or not self._fed:
            return np.empty(0, np.int16)
        missing = max(round(self._fed / self._tempo) - self._given, 0)
        self._graph.push(None)
        rest = self._pull()[:missing]
        return np.pad(rest, (0, missing - len(rest)))

    def _pull(self) -> Pcm:
        pieces: list[Pcm] = [np.empty(0, np.int16)]
        while self._graph is not None:
            try:
                frame = self._graph.pull()
            except (av.BlockingIOError, av.EOFError):
                break
            assert isinstance(frame, AudioFrame)
            pieces.append(frame.to_ndarray().reshape(-1).astype(np.int16, copy=False))
        ready = np.concatenate(pieces)
        self._given += len(ready)
        return ready


def _graph(tempo: float, sample_rate: int) -> Graph:
    graph = Graph()
    source = graph.add_abuffer(sample_rate=sample_rate, format="s16", layout="mono")
    stretch = graph.add("atempo", f"{tempo:.6f}")
    kind = graph.add("aformat", f"sample_fmts=s16:sample_rates={sample_rate}:channel_layouts=mono")
    sink = graph.add("abuffersink")
    for before, after in ((source, stretch), (stretch, kind), (kind, sink)):
        before.link_to(after)
    graph.configure()
    return graph
