"""``GET /v1/presets``: what each preset is here, and what it costs."""

from __future__ import annotations

from typing import Annotated

import anyio
from fastapi import APIRouter, FastAPI, Query, Request
from pydantic import BaseModel, Field

from comps.animation.pace.circumstances import machine
from comps.animation.pace.keeper import PaceKeeper
from comps.animation.presets import PRESETS
from comps.animation.requests import Look
from comps.animation.studio import studio_of


class PresetView(BaseModel):
    """One preset as this service would draw it. `work_s` is seconds of work for a second of speech."""

    name: str
    size: int
    fps: int
    video_preset: str
    enhancer: str
    work_s: float | None = Field(description="null while it is not known")


class PresetsView(BaseModel):
    """The presets of one engine on one machine."""

    engine: str
    machine: str
    presets: list[PresetView]


class PresetQuery(BaseModel):
    """What a request would say beside its preset."""

    engine: str | None = Field(None, max_length=40)
    fps: int | None = Field(None, ge=5, le=60)
    size: int | None = Field(None, ge=64, le=1024)
    enhancer: str = Field("", max_length=40)
    measure: bool = Field(False, description="measure what is not known, which takes up to 90 s")


MEASURE_S = 90.0
"""Seconds after which a request is answered, whatever was measured by then: callers hear nothing meanwhile."""
router = APIRouter(prefix="/v1", tags=["animation"])


@router.get("/presets", summary="The presets, and what a second of speech costs with each")
async def presets(asked: Annotated[PresetQuery, Query()], request: Request) -> PresetsView:
    """By what was measured before and by real answers; `measure=true` waits for a trial where nothing is known."""
    studio, keeper = studio_of(request), keeper_of(request.app)
    engine = asked.engine or studio.engines.default
    studio.engines.table.spec(engine)
    views = []
    ends = anyio.current_time() + MEASURE_S
    for name in PRESETS:
        look = Look(preset=name, fps=asked.fps, size=asked.size, enhancer=asked.enhancer)
        options = studio.options(look)
        work_s = await keeper.known(engine, options)
        if work_s is None and asked.measure:
            with anyio.move_on_after(ends - anyio.current_time()):
                work_s = await keeper.measured(engine, options)
        views.append(
            PresetView(
                name=name,
                size=options.size,
                fps=options.fps,
                video_preset=options.video_preset,
                enhancer=options.enhancer,
                work_s=None if work_s is None else round(work_s, 4),
            )
        )
    return PresetsView(engine=engine, machine=machine(), presets=views)


def keep_keeper(app: FastAPI, keeper: PaceKeeper) -> None:
    """Give the app its keeper."""
    app.state.pace = keeper


def keeper_of(app: FastAPI) -> PaceKeeper:
    """The keeper of the app that serves this request."""
    keeper: PaceKeeper = app.state.pace
    return keeper
