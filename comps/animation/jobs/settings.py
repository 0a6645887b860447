"""What jobs can be told."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from comps.core.settings import ServiceSettings


class JobSettings(ServiceSettings):
    """The `jobs_*` fields of the animation service's settings."""

    jobs_dir: Path | None = Field(None, description="jobs: their folder; empty: jobs in that of the avatars")
    jobs_running: int = Field(1, gt=0, le=16, description="jobs: worked on at once; others wait in line")
    jobs_queued: int = Field(16, ge=0, description="jobs: waiting in line; more get 429")
    jobs_kept: int = Field(
        100,
        gt=0,
        description="jobs: kept, finished or not; the oldest finished one makes room, else the oldest at rest",
    )
    jobs_max_bytes: int = Field(8 * 1024**3, gt=0, description="jobs: most bytes of all that are kept")
    jobs_max_age_s: float = Field(
        7 * 86_400.0, gt=0, description="jobs: seconds after its last change that one is kept"
    )
    jobs_max_audio_s: float = Field(1800.0, gt=0, description="jobs: longest audio taken, seconds")
    jobs_segment_s: float = Field(10.0, ge=0.2, le=60, description="jobs: seconds of video in a segment")
