"""Files of 1.0 to the three files of 1.2: other names, other places, the values as they were."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from comps.animation.audio2face.configuration.document import (
    ConfigurationError,
    Document,
    KeyPath,
    brief,
    leaves,
    number,
    parse_document,
    shown,
    switch,
)
from comps.animation.audio2face.configuration.face_block import EMOTION, emotion_weights, raw_block
from comps.animation.audio2face.configuration.migration.defaults import (
    MODELS_1_2,
    TONGUE_KEYS,
    File,
    Tree,
    files_1_2,
    place,
)
from comps.animation.audio2face.configuration.migration.report import Changed, Report
from comps.animation.audio2face.configuration.section import EntryError
from comps.animation.audio2face.configuration.stylization import FACE_KEYS, character_of
from comps.animation.audio2face.names import ARKIT_SHAPES, FACE_EMOTIONS
from comps.animation.audio2face.parameters import CHARACTERS, FACE_BY_FILE

Convert = Callable[[object], Any]
Target = tuple[File, KeyPath]
Row = tuple[str, File, str, Convert]

_POST = "a2e/post_processing_params"
_LIMITS = "input_sanitization"
_QUEUES = "pipeline_parameters"

_SERVICE: tuple[Row, ...] = (
    ("common/stream_number", "deployment", "common/stream_number", number),
    ("common/add-silence-padding-after-audio", "deployment", "common/add_silence_padding_after_audio", switch),
    ("common/queue-size-after-streammux", "advanced", f"{_QUEUES}/queue_size_after_streammux", number),
    ("common/queue-size-after-a2e", "advanced", f"{_QUEUES}/queue_size_after_a2e", number),
    ("common/queue-size-after-a2f", "advanced", f"{_QUEUES}/queue_size_after_a2f", number),
    ("common/max-len-uuid", "advanced", f"{_LIMITS}/max_len_uuid", number),
    ("common/min-sample-rate", "advanced", f"{_LIMITS}/min_sample_rate", number),
    ("grpc_input/low-fps", "advanced", f"{_LIMITS}/low_fps", number),
    ("grpc_input/low-fps-max-duration-second", "advanced", f"{_LIMITS}/low_fps_max_duration_second", number),
    ("A2E/enabled", "stylization", "a2e/enabled", switch),
    ("A2E/inference-interval", "advanced", "a2e/inference_interval", number),
    ("A2E/emotions/emotion_contrast", "stylization", f"{_POST}/emotion_contrast", number),
    ("A2E/emotions/live_blend_coef", "stylization", f"{_POST}/live_blend_coef", number),
    ("A2E/emotions/preferred_emotion_strength", "stylization", f"{_POST}/preferred_emotion_strength", number),
    ("A2E/emotions/enable_preferred_emotion", "stylization", f"{_POST}/enable_preferred_emotion", switch),
    ("A2E/emotions/emotion_strength", "stylization", f"{_POST}/emotion_strength", number),
    ("A2E/emotions/max_emotions", "stylization", f"{_POST}/max_emotions", number),
)
_CONTROLLER: tuple[Row, ...] = (
    ("audio2face/receive-anim-data/max_wait_time_idle_ms", "advanced", f"{_LIMITS}/max_wait_time_idle_ms", number),
    ("common/max_processing_duration_second", "advanced", f"{_LIMITS}/max_processing_duration_second", number),
    ("common/max_audio_buffer_size_second", "advanced", f"{_LIMITS}/max_audio_buffer_size_second", number),
    ("common/max_audio_clip_size_second", "advanced", f"{_LIMITS}/max_audio_clip_size_second", number),
    ("common/fps_logging_interval_second", "deployment", "logging/fps_logging_interval_second", number),
    ("common/garbage_collector/enabled", "advanced", "garbage_collector/enabled", switch),
    ("common/garbage_collector/interval_run_second", "advanced", "garbage_collector/interval_run_second", number),
    (
        "common/garbage_collector/max_size_stored_data_second",
        "advanced",
        "garbage_collector/max_size_stored_data_second",
        number,
    ),
)


def _precision(value: object) -> str:
    return "fp16" if switch(value) else "fp32"


_KUBERNETES: tuple[Row, ...] = (
    ("streamNumber", "deployment", "common/stream_number", number),
    ("addSilencePaddingAfterAudio", "deployment", "common/add_silence_padding_after_audio", switch),
    ("a2eEnabled", "stylization", "a2e/enabled", switch),
    ("a2eInferenceInterval", "advanced", "a2e/inference_interval", number),
    ("a2eEmotionContrast", "stylization", f"{_POST}/emotion_contrast", number),
    ("a2eLiveBlendCoef", "stylization", f"{_POST}/live_blend_coef", number),
    ("a2eEnablePreferredEmotion", "stylization", f"{_POST}/enable_preferred_emotion", switch),
    ("a2ePreferredEmotionStrength", "stylization", f"{_POST}/preferred_emotion_strength", number),
    ("a2eEmotionStrength", "stylization", f"{_POST}/emotion_strength", number),
    ("a2eMaxEmotions", "stylization", f"{_POST}/max_emotions", number),
    ("a2fDeviceId", "advanced", "a2f/device_id", number),
    ("queueAfterStreammux", "advanced", f"{_QUEUES}/queue_size_after_streammux", number),
    ("queueAfterA2E", "advanced", f"{_QUEUES}/queue_size_after_a2e", number),
    ("queueAfterA2F", "advanced", f"{_QUEUES}/queue_size_after_a2f", number),
    ("maxLenUUID", "advanced", f"{_LIMITS}/max_len_uuid", number),
    ("maxSampleRate", "advanced", f"{_LIMITS}/max_sample_rate", number),
    ("minSampleRate", "advanced", f"{_LIMITS}/min_sample_rate", number),
    ("lowFps", "advanced", f"{_LIMITS}/low_fps", number),
    ("lowFpsMaxDurationSecond", "advanced", f"{_LIMITS}/low_fps_max_duration_second", number),
    ("useFP16A2F", "advanced", "trt_model_generation/a2f/precision", _precision),
    ("useFP16A2E", "advanced", "trt_model_generation/a2e/precision", _precision),
)
_FACE_BLOCK: KeyPath = ("faceParams",)
_MULTIPLIERS: KeyPath = ("a2f", "blendshape_params", "weight_multipliers")

SERVICE_KEYS = frozenset(row[0] for row in _SERVICE) | {
    "common/max-sample-rate", "grpc_input/port", "grpc_output/ip", "grpc_output/port",
    "A2E/model_path", "A2F/model_path", "A2F/api/bs_weight_multipliers",
}  # fmt: skip
"""Every key of the container's service file."""
CONTROLLER_KEYS = frozenset(row[0] for row in _CONTROLLER) | {
    "common/max_sample_rate", "public-interface/port", "public-interface/max-user-number",
    "audio2face/send-audio/ip", "audio2face/send-audio/port", "audio2face/receive-anim-data/port",
}  # fmt: skip
"""Every key of the container's controller file."""
KUBERNETES_KEYS = frozenset(row[0] for row in _KUBERNETES) | {"faceParams", "bsWeightMultipliers", "a2fModelName"}
"""Every key of the Kubernetes file."""


@dataclass(slots=True)
class Source:
    """A file of 1.0, whose keys are ticked off as they are used.

    Attributes:
        document: the file.
        prefix: where the configuration is within the file.
        label: what reports put before a path.
        around: paths and values beside an embedded configuration.
    """

    document: Document
    prefix: KeyPath = ()
    label: str = ""
    around: tuple[tuple[str, Any], ...] = ()
    _used: set[KeyPath] = field(default_factory=set)

    def take(self, path: KeyPath, convert: Convert) -> Any:
        """The converted value of a key, which counts as used; None where there is none.

        Raises:
            ConfigurationError: the value is not what the key needs.
        """
        self._used.add(path)
        value = self.document.get((*self.prefix, *path))
        if value is None:
            return None
        try:
            return convert(value)
        except EntryError as error:
            raise self.document.error(str(error), (*self.prefix, *path, error.key)) from error
        except ValueError as error:
            raise self.document.error(str(error), (*self.prefix, *path)) from error

    def path(self, path: KeyPath) -> str:
        """A path as the report has it."""
        return self.label + shown(path)

    def left(self) -> Iterator[tuple[str, Any]]:
        """Keys that nothing used and their values, those around an embedded configuration included."""
        for path, value in leaves(self.document.section(self.prefix)):
            if not any(path[: len(used)] == used for used in self._used) and value is not None:
                yield self.path(path), value
        yield from self.around


class Restructuring:
    """Fills the three files of 1.2 from files of 1.0.

    Args:
        report: what is noted.
        to_2_0: whether the result goes on to 2.0, which has a place for the tongue, and later defaults.
        character: whose files they are; empty when the model's name says it.
    """

    def __init__(self, report: Report, *, to_2_0: bool, character: str = "") -> None:
        self._report = report
        self._to_2_0 = to_2_0
        self._chosen = character
        self._given: dict[Target, tuple[Any, str]] = {}
        self._tables: dict[KeyPath, tuple[dict[str, Any], str]] = {}
        self.character = character
        self.origins: dict[tuple[File, str], tuple[str, Any]] = {}
        """Where a value of the target comes from, and what it was there."""

    def container(self, service: Source | None, controller: Source | None) -> dict[File, Tree]:
        """The files for a service file, a controller file, or both."""
        if service is not None:
            self._rows(service, _SERVICE)
            self._address(service, ("grpc_input",), ("endpoints", "unidirectional", "server", "url"), 50000)
            self._address(service, ("grpc_output",), ("endpoints", "unidirectional", "client", "url"), 51000)
            self._multipliers(service, ("A2F", "api", "bs_weight_multipliers"))
        if controller is not None:
            self._rows(controller, _CONTROLLER)
            self._address(controller, ("public-interface",), ("endpoints", "bidirectional", "server", "url"), 52000)
        self._sample_rate(service, controller)
        self._compare(service, controller)
        self._model(service or controller, ("A2F", "model_path"))
        return self._finish(*(one for one in (service, controller) if one is not None))

    def kubernetes(self, source: Source) -> dict[File, Tree]:
        """The files for the flat keys of a chart."""
        self._rows(source, _KUBERNETES)
        self._multipliers(source, ("bsWeightMultipliers",))
        self._face_block(source)
        self._model(source, ("a2fModelName",))
        return self._finish(source)

    def _rows(self, source: Source, rows: tuple[Row, ...]) -> None:
        for old, file, new, convert in rows:
            path = tuple(old.split("/"))
            self._give(file, tuple(new.split("/")), source.take(path, convert), source, path)

    def _give(self, file: File, path: KeyPath, value: Any, source: Source, old: KeyPath) -> None:
        if value is not None:
            self._given[file, path] = value, source.path(old)
            self.origins[file, shown(path)] = source.path(old), source.take(old, _as_is)

    def _address(self, source: Source, section: KeyPath, target: KeyPath, usual: int) -> None:
        host, port = source.take((*section, "ip"), str), source.take((*section, "port"), _port)
        if section != ("grpc_output",) and host is not None:
            raise source.document.error("is no key of 1.0 at this place", (*source.prefix, *section, "ip"))
        if host is not None or port is not None:
            value = f"{host or '0.0.0.0'}:{usual if port is None else port}"
            self._give("deployment", target, value, source, (*section, "ip" if port is None else "port"))
            if host is not None and port is not None:
                self._report.moved[source.path((*section, "ip"))] = _target("deployment", target)

    def _sample_rate(self, service: Source | None, controller: Source | None) -> None:
        """The smaller of the two limits."""
        asked = [
            (source.take(("common", key), number), source, ("common", key))
            for source, key in ((service, "max-sample-rate"), (controller, "max_sample_rate"))
            if source is not None
        ]
        rates = [one for one in asked if one[0] is not None]
        if not rates:
            return
        rate, source, path = min(rates, key=lambda one: float(one[0]))
        self._give("advanced", (_LIMITS, "max_sample_rate"), rate, source, path)
        if len({one[0] for one in rates}) > 1:
            both = " and ".join(f"{one[1].path(one[2])} {one[0]}" for one in rates)
            self._report.warn("max_sample_rate_conflict", f"{both} differ; the smaller one, {rate}, holds")

    def _compare(self, service: Source | None, controller: Source | None) -> None:
        """Keys of the controller that repeat the service's: the service's hold."""
        if controller is None:
            return
        users = controller.take(("public-interface", "max-user-number"), number)
        streams, _ = self._given.get(("deployment", ("common", "stream_number")), (10, ""))
        if users is not None and users != streams:
            self._report.warn(
                "stream_number_conflict",
                f"{controller.path(('public-interface', 'max-user-number'))} is {users}, but {streams} streams hold",
            )
        controller.take(("audio2face", "send-audio", "ip"), _as_is)
        for own, other, usual in (
            (("audio2face", "send-audio", "port"), ("grpc_input", "port"), 50000),
            (("audio2face", "receive-anim-data", "port"), ("grpc_output", "port"), 51000),
        ):
            port = controller.take(own, _port)
            theirs = service.take(other, _port) if service else None
            if service is not None and port is not None and port != (usual if theirs is None else theirs):
                said = (
                    f"{controller.path(own)} is {port}, {service.path(other)} is {usual if theirs is None else theirs}"
                )
                self._report.warn("endpoint_mismatch", f"{said}; the latter holds")

    def _multipliers(self, source: Source, path: KeyPath) -> None:
        weights = source.take(path, _fifty_two)
        if weights is not None:
            rows = dict(zip(ARKIT_SHAPES, weights, strict=True))
            self._tables[_MULTIPLIERS] = rows, source.path(path)

    def _face_block(self, source: Source) -> None:
        block = source.take(_FACE_BLOCK, raw_block)
        for name, value in (block or {}).items():
            old = (*_FACE_BLOCK, name)
            key = self._face_key(name)
            if name == EMOTION:
                weights = self._converted(source, old, value, emotion_weights)
                self._tables["default_beginning_emotions",] = (
                    dict(zip(FACE_EMOTIONS, weights, strict=True)),
                    source.path(old),
                )
            elif key is not None:
                target: Target = ("stylization", ("a2f", "face_params", key))
                if target in self._given:
                    raise source.document.error(
                        f"is the same parameter as {self._given[target][1]}", (*source.prefix, *old)
                    )
                self._given[target] = self._converted(source, old, value, number), source.path(old)
                self.origins[target[0], shown(target[1])] = source.path(old), value
            else:
                self._report.not_migrated.append((source.path(old), value))

    def _face_key(self, name: str) -> str | None:
        """The key of the stylization file for one of the block's, None where it has none."""
        row = FACE_BY_FILE.get(name)
        fits = row is not None and row.file in FACE_KEYS and (self._to_2_0 or row.file not in TONGUE_KEYS)
        return row.file if row is not None and fits else None

    def _converted(self, source: Source, path: KeyPath, value: object, convert: Convert) -> Any:
        try:
            return convert(value)
        except ValueError as error:
            raise source.document.error(str(error), (*source.prefix, *path)) from error

    def _model(self, source: Source | None, path: KeyPath) -> None:
        """The character, from the last part of the model's path or name."""
        if source is None:
            return
        raw = source.take(path, str)
        name = (raw or "").rstrip("/\\").replace("\\", "/").rpartition("/")[2]
        found = character_of(name)
        self.character = self._chosen or found or ""
        if not self.character:
            fault = f"{brief(name)} begins with none of {', '.join(CHARACTERS)}" if name else "names no model"
            raise ConfigurationError(
                f"{fault}; --character says whose files they are",
                file=source.document.name,
                line=source.document.line((*source.prefix, *path)) if raw else None,
                key=shown(path),
            )
        new = MODELS_1_2[self.character]
        if raw is not None:
            target = ("a2f", "inference_model_id")
            self._given["stylization", target] = new, source.path(path)
            # the name stands for the model in either version, so its report has no file in front
            self.origins["stylization", shown(target)] = shown(path), raw
            if name != new:
                self._report.changed.append(Changed(shown(path), raw, new))
        if name and found is None:
            self._report.warn("unknown_model", f"{shown(path)} '{name}' became {new}, as --character says")

    def _finish(self, *sources: Source) -> dict[File, Tree]:
        files = files_1_2(self.character, lasting=self._to_2_0)
        for (file, path), (value, old) in self._given.items():
            place(files[file], path, value)
            self._report.moved[old] = _target(file, path)
        for path, (rows, old) in self._tables.items():
            tree = files["stylization"]
            for name, value in rows.items():
                place(tree, (*path, name), value)
            self._report.moved[old] = _target("stylization", path)
        for source in sources:
            self._report.not_migrated += source.left()
        self._report.comments_dropped = any("#" in source.document.text for source in sources)
        return files

    def defaulted(self, files: Mapping[File, Tree]) -> list[str]:
        """Paths that no old file gave a value for; a table of shapes or emotions counts as one path."""
        found: dict[str, None] = {}
        for file, tree in files.items():
            for path, _ in leaves(tree):
                table = path[:1] if path[0] == "default_beginning_emotions" else path[:3]
                whole = (path[:2] == ("a2f", "blendshape_params") and len(path) == 4) or len(table) == 1
                place_ = table if whole else path
                if (file, path) not in self._given and not (file == "stylization" and place_ in self._tables):
                    found[_target(file, place_)] = None
        return list(found)


def _target(file: File, path: KeyPath) -> str:
    return f"{file}:{shown(path)}"


def _as_is(value: object) -> object:
    return value


def _port(value: object) -> int:
    found = number(value)
    if found != int(found) or not 0 <= found <= 65535:
        raise ValueError(f"{brief(value)} is no port")
    return int(found)


def _fifty_two(value: object) -> list[int | float]:
    """A list of 52 numbers, or the text of one."""
    found = _list(value) if isinstance(value, str) else value
    if not isinstance(found, list):
        raise ValueError(f"must be a list of {len(ARKIT_SHAPES)} numbers, but is {brief(value)}")
    if len(found) != len(ARKIT_SHAPES):
        raise ValueError(f"must have {len(ARKIT_SHAPES)} numbers, but has {len(found)}")
    return [number(item) for item in found]


def _list(text: str) -> object:
    try:
        return parse_document(f"list: {text.strip()}\n", "").get(("list",))
    except ConfigurationError as error:
        raise ValueError(f"is no list: {error.fault}") from error
