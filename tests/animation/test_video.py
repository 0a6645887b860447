"""The MP4 writer: real frames and sound in, real files decoded again."""

from __future__ import annotations

import io
import resource
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from comps.core.media.video import AAC_RATE, Mp4Writer, Segment, VideoSpec, remux_to_file

SIZE, FPS = 64, 25
CLICKS = (0.2, 1.0, 1.72)


def spec(rate: int = 22_050, fps: int = FPS) -> VideoSpec:
    return VideoSpec(SIZE, SIZE, fps, rate)


def click_and_flash(seconds: float, rate: int, fps: int = FPS) -> tuple[NDArray[np.int16], NDArray[np.uint8]]:
    """Sound with a click, and frames with a flash, at each of `CLICKS`."""
    pcm = np.zeros(round(seconds * rate), np.int16)
    frames = np.full((round(seconds * fps), SIZE * 3 // 2, SIZE), 128, np.uint8)
    frames[:, :SIZE] = 40
    for at in CLICKS:
        start = round(at * rate)
        pcm[start : start + rate // 400] = 20_000 * np.sin(2 * np.pi * 3000 * np.arange(rate // 400) / rate)
        frames[round(at * fps), :SIZE] = 230
    return pcm, frames


def written(rate: int = 22_050, seconds: float = 2.0, step_s: float = 0.2, fps: int = FPS) -> list[Segment]:
    """The segments of `click_and_flash`, fed in steps, sound first."""
    pcm, frames = click_and_flash(seconds, rate, fps)
    writer, segments = Mp4Writer(spec(rate, fps)), []
    for index in range(round(seconds / step_s)):
        writer.add_audio(pcm[round(index * step_s * rate) : round((index + 1) * step_s * rate)])
        writer.add_video(frames[round(index * step_s * fps) : round((index + 1) * step_s * fps)])
        segments += writer.take()
    writer.close()
    return segments + writer.take()


def joined(segments: list[Segment]) -> io.BytesIO:
    return io.BytesIO(b"".join(segment.data for segment in segments))


def decoded(file: io.BytesIO | str) -> tuple[NDArray[np.float32], float, list[float]]:
    """The sound, the time of its first sample, and the times of bright frames."""
    pieces, first, flashes = [], None, []
    with av.open(file) as container:
        for packet in container.demux():
            for frame in packet.decode():
                if isinstance(frame, av.AudioFrame):
                    first = float(frame.pts * frame.time_base) if first is None else first
                    pieces.append(frame.to_ndarray()[0])
                elif isinstance(frame, av.VideoFrame) and frame.to_ndarray(format="gray").mean() > 130:
                    flashes.append(float(frame.pts * frame.time_base))
    assert first is not None
    return np.concatenate(pieces), first, flashes


def click_times(sound: NDArray[np.float32], first: float) -> list[float]:
    loud = np.flatnonzero(np.abs(sound) > 0.25)
    starts = loud[np.flatnonzero(np.diff(loud, prepend=-AAC_RATE) > AAC_RATE // 10)]
    return [first + start / AAC_RATE for start in starts]


@pytest.mark.parametrize("rate", [16_000, 22_050, 24_000, 48_000])
def test_clicks_and_flashes_come_at_the_same_time(rate: int) -> None:
    sound, first, flashes = decoded(joined(written(rate)))
    assert flashes == pytest.approx(CLICKS, abs=1e-6)
    assert click_times(sound, first) == pytest.approx(CLICKS, abs=0.002)


@pytest.mark.parametrize("fps", [25, 30])
def test_sound_and_picture_have_one_length(fps: int) -> None:
    data = joined(written(fps=fps))
    sound, _, _ = decoded(data)
    data.seek(0)
    with av.open(data) as container:
        video = container.streams.video[0]
        assert video.codec_context.name == "h264"
        frames = sum(1 for _ in container.decode(video))
    assert frames == 2 * fps
    assert len(sound) / AAC_RATE == pytest.approx(frames / fps, abs=1 / fps)


def test_init_comes_first_then_a_short_fragment_then_longer_ones() -> None:
    segments = written()
    assert [segment.kind for segment in segments] == ["init", *["fragment"] * (len(segments) - 1)]
    assert segments[0].data[4:8] == b"ftyp"
    fragments = segments[1:]
    assert [fragment.index for fragment in fragments] == list(range(len(fragments)))
    assert [fragment.frames for fragment in fragments[:3]] == [4, 12, 12]
    assert sum(fragment.frames for fragment in fragments) == 50
    assert fragments[1].start == pytest.approx(0.16)
    assert sum(fragment.duration for fragment in fragments) == pytest.approx(2.0)


def test_each_fragment_begins_with_a_key_frame() -> None:
    segments = written()
    for fragment in segments[1:]:
        with av.open(io.BytesIO(segments[0].data + fragment.data)) as container:
            packets = [p for p in container.demux(video=0) if p.dts is not None]
        assert packets[0].is_keyframe
        assert not any(packet.is_keyframe for packet in packets[1:])
        assert [packet.pts for packet in packets] == [packet.dts for packet in packets]


def test_the_first_fragment_leaves_before_the_rest_is_fed() -> None:
    pcm, frames = click_and_flash(2.0, 22_050)
    writer = Mp4Writer(spec())
    writer.add_audio(pcm)
    writer.add_video(frames[:5])
    assert [segment.kind for segment in writer.take()] == ["init", "fragment"]
    writer.close()


def test_rgb_and_planar_frames_look_the_same() -> None:
    red = np.zeros((6, SIZE, SIZE, 3), np.uint8)
    red[..., 0] = 200
    writer = Mp4Writer(spec())
    writer.add_audio(np.zeros(6 * 882, np.int16))
    writer.add_video(red, "rgb24")
    writer.close()
    with av.open(joined(writer.take())) as container:
        shown = next(container.decode(video=0)).to_ndarray(format="rgb24")
    assert np.abs(shown.reshape(-1, 3).mean(0) - [200, 0, 0]).max() < 8


def test_mime_names_the_profile_that_is_in_the_file() -> None:
    writer = Mp4Writer(spec())
    mime = writer.mime
    writer.add_audio(np.zeros(22_050, np.int16))
    writer.add_video(click_and_flash(2.0, 22_050)[1][:25])
    writer.close()
    init = writer.take()[0].data
    box = init.index(b"avcC") + 4
    assert mime == f'video/mp4; codecs="avc1.{init[box + 1 : box + 4].hex()}, mp4a.40.2"'


def test_remuxed_file_is_progressive_and_keeps_the_clock(tmp_path: Path) -> None:
    part, out = tmp_path / "a.part", tmp_path / "a.mp4"
    part.write_bytes(joined(written()).getvalue())
    remux_to_file(part, out)
    data = out.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")
    assert b"moof" not in data
    sound, first, flashes = decoded(str(out))
    assert flashes == pytest.approx(CLICKS, abs=1e-6)
    assert click_times(sound, first) == pytest.approx(CLICKS, abs=0.002)
    with av.open(str(out)) as container:
        assert container.duration is not None
        assert container.duration / av.time_base == pytest.approx(2.0, abs=0.04)


def test_sound_without_frames_and_nothing_at_all_can_be_closed() -> None:
    for pcm in (np.zeros(0, np.int16), np.zeros(5000, np.int16)):
        writer = Mp4Writer(spec())
        writer.add_audio(pcm)
        writer.close()
        writer.close()
        writer.take()


@pytest.mark.parametrize("size", [(63, 64), (64, 0), (8, 8)])
def test_impossible_sizes_are_refused(size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="even sides"):
        Mp4Writer(VideoSpec(*size, fps=25, sample_rate=16_000))


def test_memory_does_not_grow_with_the_length() -> None:
    noise = np.random.default_rng(0).integers(0, 255, (12, 384, 256), np.uint8)
    writer = Mp4Writer(VideoSpec(256, 256, 25, 16_000, preset="ultrafast"))

    def feed(times: int) -> int:
        for _ in range(times):
            writer.add_audio(np.zeros(12 * 640, np.int16))
            writer.add_video(noise)
            writer.take()
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    before = feed(12)
    assert feed(36) - before < 12_000
    writer.close()
