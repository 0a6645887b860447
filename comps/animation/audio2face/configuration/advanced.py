"""`advanced_config.yaml` of 2.0: limits, queues, pacing and what computes."""

from __future__ import annotations

from typing import Literal

from pydantic import model_validator

from comps.animation.audio2face.configuration.section import Number, Section, Switch, Whole, key, section

_GPU_ENGINE = "for TensorRT engines"


class InputSanitization(Section):
    """What a client may send."""

    max_len_uuid: Whole = key(50, "longest id in a legacy header, characters", ge=1)
    max_sample_rate: Whole = key(144000, "highest sample rate, Hz", ge=1)
    min_sample_rate: Whole = key(16000, "lowest sample rate, Hz", ge=1)
    max_processing_duration_second: Number = key(300, "longest call, s", gt=0)
    max_audio_buffer_size_second: Number = key(10, "longest single buffer, s", gt=0)
    max_audio_clip_size_second: Number = key(300, "longest clip, s", gt=0)
    max_wait_time_idle_ms: Number = key(30000, "longest wait for anything, ms", gt=0)
    low_fps: Number = key(29, "frames a second below which a client is too slow; 0 never", ge=0)
    low_fps_max_duration_second: Number = key(7, "how long a client may be too slow, s; 0 for ever", ge=0)

    @model_validator(mode="after")
    def _rates_in_order(self) -> InputSanitization:
        if self.min_sample_rate > self.max_sample_rate:
            raise ValueError(f"min_sample_rate {self.min_sample_rate} is above max_sample_rate {self.max_sample_rate}")
        return self


class GarbageCollector(Section):
    """What 1.x did with old data."""

    enabled: Switch = key(False, "whether old data is dropped", before=True, note="deprecated in 2.0")
    interval_run_second: Number = key(10, "time between two runs, s", note="deprecated in 2.0", gt=0)
    max_size_stored_data_second: Number = key(60, "data kept, s", note="deprecated in 2.0", gt=0)


class StreamMux(Section):
    """How streams are gathered into batches."""

    adaptive_batching: Whole = key(0, "whether a batch waits for the slowest stream", ge=0, le=1)
    overall_min_fps_n: Whole = key(40, "numerator of the lowest batch rate", ge=1)
    overall_min_fps_d: Whole = key(1, "denominator of the lowest batch rate", ge=1)


class PipelineParameters(Section):
    """Queues between the stages, and pacing of the stream."""

    queue_size_after_a2e: Whole = key(1, "buffers that may wait behind the emotion detector", ge=1)
    queue_size_after_a2f: Whole = key(300, "frames that may wait behind the animation", ge=1)
    queue_size_after_streammux: Whole = key(1, "batches that may wait", ge=1)
    streammux: StreamMux = section(StreamMux)
    burst_mode: Switch = key(False, "send frames as fast as they exist", since="2.0")
    blendshape_streaming_fps: Number = key(90, "frames sent a second without burst mode", since="2.0", gt=0, le=10000)


class Animation(Section):
    """Where and how the animation is computed."""

    temporal_smoothing: Switch = key(True, "smooth from frame to frame; off for debugging")
    device_id: Whole = key(0, "GPU of the animation", ge=0)
    use_gpu_solver: Switch = key(True, "solve blend shapes on the GPU where there is one", since="2.0")


class EmotionDetector(Section):
    """How often and where emotions are read from the voice."""

    inference_interval: Whole = key(10, "frames between two runs of the detector", ge=1)
    device_id: Whole = key(0, "GPU of the detector", ge=0)


class _EngineShapes(Section):
    min_shape: Whole = key(1, "smallest batch", note=_GPU_ENGINE, ge=1)
    optimal_shape: Whole = key(10, "batch the engine is tuned for", note=_GPU_ENGINE, ge=1)
    maximum_shape: Whole = key(128, "largest batch", note=_GPU_ENGINE, ge=1)

    @model_validator(mode="after")
    def _shapes_in_order(self) -> _EngineShapes:
        if not self.min_shape <= self.optimal_shape <= self.maximum_shape:
            raise ValueError("min_shape, optimal_shape and maximum_shape must not decrease")
        return self


class DetectorEngine(_EngineShapes):
    """TensorRT engine of the emotion detector."""

    precision: Literal["fp16", "fp32"] = key("fp32", "arithmetic; 2.0 has fp32 only", before="fp16", note=_GPU_ENGINE)


class AnimationEngine(_EngineShapes):
    """TensorRT engine of the animation."""

    precision: Literal["fp16", "fp32"] = key("fp16", "arithmetic", note=_GPU_ENGINE)


class Engines(Section):
    """TensorRT engines."""

    a2e: DetectorEngine = section(DetectorEngine)
    a2f: AnimationEngine = section(AnimationEngine)


class Resampling(Section):
    """The way from the client's sample rate to 16 kHz."""

    chunk_size: Whole = key(640, "samples resampled at once", since="2.0", ge=1, le=1 << 20)
    quality: Number = key(1.0, "1 is fast, 10 is exact", since="2.0", ge=1, le=10)


class AdvancedConfig(Section):
    """The whole file."""

    input_sanitization: InputSanitization = section(InputSanitization)
    garbage_collector: GarbageCollector = section(GarbageCollector)
    pipeline_parameters: PipelineParameters = section(PipelineParameters)
    a2f: Animation = section(Animation)
    a2e: EmotionDetector = section(EmotionDetector)
    trt_model_generation: Engines = section(Engines)
    resampling: Resampling = section(Resampling)
