"""``/v1/presets``: what each preset is here, and what it costs: GET tells what is known, POST measures the rest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, FastAPI, Query, Request
from pydantic import BaseModel, Field

from comps.animation.engine import AnimationOptions
from comps.animation.pace.circumstances import machine
from comps.animation.pace.keeper import PaceKeeper
from comps.animation.presets import PRESETS
from comps.animation.requests import Look
from comps.animation.studio import Studio, studio_of


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
    problem: str = Field("", description="why the engine cannot run here; empty where it can, or nobody tried")
    presets: list[PresetView]


class PresetQuery(BaseModel):
    """What a request would say beside its preset."""

    engine: str | None = Field(None, max_length=40)
    fps: int | None = Field(None, ge=5, le=60)
    size: int | None = Field(None, ge=64, le=1024, multiple_of=2)
    enhancer: str = Field("", max_length=40)


router = APIRouter(prefix="/v1", tags=["animation"])


@router.get("/presets", summary="The presets, and what a second of speech costs with each")
async def presets(asked: Annotated[PresetQuery, Query()], request: Request) -> PresetsView:
    """By what was measured before and by real answers; nothing is measured for it."""
    engine, wanted = _wanted(asked, studio_of(request))
    keeper = keeper_of(request.app)
    return _view(engine, wanted, [await keeper.known(engine, options) for options in wanted])


@router.post("/presets", summary="The same, after measuring what is not known")
async def measured_presets(asked: PresetQuery, request: Request) -> PresetsView:
    """Takes up to 90 s, and a place among the answers; one measurement runs at a time, others get 429."""
    engine, wanted = _wanted(asked, studio_of(request))
    paces, problem = await keeper_of(request.app).measured(engine, wanted)
    return _view(engine, wanted, paces, problem)


def _wanted(asked: PresetQuery, studio: Studio) -> tuple[str, list[AnimationOptions]]:
    """The engine's name and what it would be asked for with each preset; raises UnknownChoiceError."""
    engine = asked.engine or studio.engines.default
    studio.engines.table.spec(engine)
    wanted = [
        studio.options(Look(preset=name, fps=asked.fps, size=asked.size, enhancer=asked.enhancer)) for name in PRESETS
    ]
    for options in wanted:
        studio.require_enhancer(options.enhancer)
    return engine, wanted


def _view(
    engine: str, wanted: Sequence[AnimationOptions], paces: Sequence[float | None], problem: str = ""
) -> PresetsView:
    views = [
        PresetView(
            name=options.preset,
            size=options.size,
            fps=options.fps,
            video_preset=options.video_preset,
            enhancer=options.enhancer,
            work_s=None if pace is None else round(pace, 4),
        )
        for options, pace in zip(wanted, paces, strict=True)
    ]
    return PresetsView(engine=engine, machine=machine(), problem=problem, presets=views)


def keep_keeper(app: FastAPI, keeper: PaceKeeper) -> None:
    """Give the app its keeper."""
    app.state.pace = keeper


def keeper_of(app: FastAPI) -> PaceKeeper:
    """The keeper of the app that serves this request."""
    keeper: PaceKeeper = app.state.pace
    return keeper
