"""``POST /v1/check``: what the coach says of a picture, a recording and a prompt; ``GET /v1/check/rules``: its thresholds."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import orjson
from fastapi import APIRouter, Depends, FastAPI, Request, Response
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from comps.animation.coach.coach import Advice, Coach, Inputs, Mended
from comps.animation.coach.desk import CoachDesk
from comps.animation.coach.engines import for_engine, for_preset
from comps.animation.coach.finding import Report
from comps.animation.coach.memory import memory_report, nothing_to_tell
from comps.animation.coach.picture_facts import PictureFacts
from comps.animation.coach.prompt.check import check_prompt
from comps.animation.coach.prompt.compose import compose_prompt
from comps.animation.coach.prompt.fields import prompt_fields
from comps.animation.coach.rules import RULES
from comps.animation.engine import AnimationCapabilities
from comps.animation.engines.liveavatar.launch.fit import LookAtGpus
from comps.animation.presets import STANDARD, PresetName, preset_of
from comps.animation.requests import PROMPT_CHARACTERS, Look
from comps.animation.studio import Studio, studio_dependency
from comps.core.errors import AvatarError, UnprocessableError
from comps.core.media.base64_data import decoded_base64
from comps.core.web.json_body import JsonRoute

StudioHere = Annotated[Studio, Depends(studio_dependency)]
Document = dict[str, Any]
_JSON = "application/json"
_SEND = "send 'image', 'audio' or 'prompt'"
_WORDS = Field("", max_length=200)
router = APIRouter(prefix="/v1/check", tags=["coach"], route_class=JsonRoute)


class Facts(BaseModel):
    """What is known of the person in a picture; none of it is told from pixels here."""

    model_config = ConfigDict(extra="forbid")

    sex: Literal["", "female", "male"] = ""
    age: int | None = Field(None, ge=0, le=120)
    hair: str = _WORDS
    clothing: str = _WORDS
    glasses: bool | None = None
    background: str = _WORDS

    def known(self) -> PictureFacts:
        """The same for the coach."""
        return PictureFacts(**self.model_dump())


class CheckRequest(BaseModel):
    """What to look at: base64 of an `image` and of an `audio` file, and a `prompt`; one of them, or an `engine`."""

    model_config = ConfigDict(extra="forbid")

    image: str | None = None
    audio: str | None = None
    prompt: str | None = Field(None, max_length=4 * PROMPT_CHARACTERS)
    facts: Facts | None = Field(None, description="what is known of the person in the picture")
    engine: str = Field("", max_length=40, description="the engine it is for; empty for the service's own")
    preset: PresetName = Field(STANDARD, description="quick, standard or quality")
    fix: bool = Field(False, description="also mend what can be mended, and check that again")

    @field_validator("preset", mode="before")
    @classmethod
    def _known(cls, preset: object) -> object:
        try:
            return preset_of(preset).name if isinstance(preset, str) else preset
        except AvatarError as error:
            raise ValueError(error.message) from error

    @model_validator(mode="after")
    def _something(self) -> CheckRequest:
        if not self.material and not self.engine:
            raise ValueError(f"there is nothing to check: {_SEND}")
        return self

    @property
    def material(self) -> bool:
        """Whether there is more to look at than an engine."""
        return any(part is not None for part in (self.image, self.audio, self.prompt))


def desk_dependency(request: Request) -> CoachDesk:
    """The coach of the app that serves this request."""
    desk: CoachDesk = request.app.state.coach_desk
    return desk


def keep_coach(app: FastAPI, coach: Coach) -> None:
    """Give the app its coach."""
    app.state.coach_desk = CoachDesk(coach)


DeskHere = Annotated[CoachDesk, Depends(desk_dependency)]


@router.post("", summary="What a picture, a recording and a prompt are good for", response_model=None)
async def check(wanted: CheckRequest, studio: StudioHere, desk: DeskHere) -> Response:
    """Findings with measured values and thresholds; with `fix` also the mended versions of those that could be mended, what was
    done, and in `after` what is left to say. An `engine` alone is looked at by itself, where the GPUs are a question.

    Bad material is no error of the request: its findings say what is wrong, and `usable` whether anything can come of it.
    """
    most = studio.settings.max_body_bytes
    inputs = Inputs(
        image=None if wanted.image is None else await decoded_base64(wanted.image, "image", most),
        audio=None if wanted.audio is None else await decoded_base64(wanted.audio, "audio", most),
        prompt=wanted.prompt,
        facts=None if wanted.facts is None else wanted.facts.known(),
    )
    aim = _Aim(studio, wanted.engine or studio.engines.default, wanted.preset)
    if not wanted.material:
        return Response(await desk.work(lambda: _engine_alone(desk, aim)), media_type=_JSON)
    return Response(await desk.work(lambda: _looked_at(desk, inputs, aim, wanted.fix)), media_type=_JSON)


class ComposeRequest(BaseModel):
    """The fields of a prompt, their meaning in `PromptFields`; what is left out is taken from `preset`."""

    model_config = ConfigDict(extra="forbid")

    preset: str = Field("host", max_length=40, description="host, service desk or teacher")
    fields: dict[str, str | bool | int] = Field(default_factory=dict, max_length=32)
    facts: Facts | None = Field(None, description="what is known of the person in the picture; goes before the preset")


@router.post("/compose", summary="A prompt from fields")
async def compose(wanted: ComposeRequest) -> Document:
    """A prompt, of 100 to 200 words where the fields are plain, and what the coach says of it."""
    facts = None if wanted.facts is None else wanted.facts.known()
    text = compose_prompt(prompt_fields(wanted.fields), preset=wanted.preset, facts=facts)
    return {"prompt": text, "report": _report(check_prompt(text))}


@router.get("/rules", summary="Every rule with its threshold")
async def rules() -> Document:
    """The table of docs/coach.md."""
    return {
        "rules": [
            {
                "code": rule.code,
                "subject": rule.subject.value,
                "severity": rule.severity.value,
                "measure": rule.measure,
                "threshold": rule.bounds(),
                "advice": rule.advice,
                "fix": rule.fix,
            }
            for rule in RULES
        ]
    }


@dataclass(frozen=True, slots=True)
class _Aim:
    """What the inputs are for: an engine, and a preset; raises UnknownChoiceError for an engine that there is not."""

    studio: Studio
    engine: str
    preset: PresetName

    def __post_init__(self) -> None:
        self.studio.engines.table.spec(self.engine)

    @property
    def capabilities(self) -> AnimationCapabilities:
        """Those of the engine as it runs, or, while it is not loaded, those of its kind."""
        loaded = self.studio.engines.loaded.get(self.engine)
        return self.studio.engines.table.spec(self.engine).capabilities if loaded is None else loaded.capabilities

    def matters(self, advice: Advice, prompt: str | None) -> Advice:
        """`advice` as the engine and the preset make it matter."""
        size = self.studio.options(Look(preset=self.preset)).size
        return for_preset(for_engine(advice, self.capabilities, prompt), size)

    def memory(self, look: LookAtGpus) -> Report | None:
        """Whether the GPUs hold the engine, where that is a question; blocks."""
        loaded = self.studio.engines.loaded.get(self.engine)
        return memory_report(self.engine, self.studio.settings, self.preset, look, loaded)


def _looked_at(desk: CoachDesk, inputs: Inputs, aim: _Aim, fix: bool) -> bytes:
    """The reply; blocks."""
    engine = aim.memory(desk.gpus)
    document = _advice(aim.matters(desk.coach.check(inputs), inputs.prompt), engine)
    if fix:
        document |= _mended(desk.coach.mend(inputs), aim, engine)
    return orjson.dumps(document)


def _engine_alone(desk: CoachDesk, aim: _Aim) -> bytes:
    """The reply on an engine without anything to draw; blocks. Raises UnprocessableError where nothing can be told of it."""
    report = aim.memory(desk.gpus)
    if report is None:
        raise UnprocessableError(
            f"there is nothing to check: {nothing_to_tell(aim.engine)}; or {_SEND}", param="engine"
        )
    return orjson.dumps({"usable": report.usable, "engine": _report(report)})


def _advice(advice: Advice, engine: Report | None) -> Document:
    reports = advice.reports if engine is None else {**advice.reports, "engine": engine}
    usable = advice.usable and (engine is None or engine.usable)
    return {"usable": usable, **{name: _report(report) for name, report in reports.items()}}


def _report(report: Report) -> Document:
    return {
        "usable": report.usable,
        "measured": report.measured,
        "findings": [finding.to_json() for finding in report.findings],
    }


def _mended(mended: Mended, aim: _Aim, engine: Report | None) -> Document:
    """What mending made; it changes nothing of the `engine`'s report."""
    made = mended.inputs
    files = {
        "image": None if made.image is None else base64.b64encode(made.image).decode(),
        "audio": None if made.audio is None else base64.b64encode(made.audio).decode(),
        "prompt": made.prompt,
    }
    return {
        "fixed": {name: value for name, value in files.items() if value is not None and mended.steps[name]},
        "steps": {name: list(steps) for name, steps in mended.steps.items()},
        "after": _advice(aim.matters(mended.advice, made.prompt), engine),
    }
