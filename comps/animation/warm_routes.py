"""`POST /v1/animation/warm`: load what an answer will need, so that nothing is made before it is known to be there."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field

from comps.animation.requests import NO_ENHANCER
from comps.animation.studio import Studio, studio_dependency

router = APIRouter(prefix="/v1", tags=["animation"])


class Wanted(BaseModel):
    """Names as in a request; an empty one means the service's own choice, which has loaded already."""

    engine: str = Field("", max_length=40)
    enhancer: str = Field("", max_length=40)


@router.post("/animation/warm", status_code=204, summary="Load an engine and an enhancer")
async def warm(wanted: Wanted, studio: Annotated[Studio, Depends(studio_dependency)]) -> None:
    """204 when they can be used; else the error that an answer would get: 422 for an unknown name, 503 with the remedy."""
    await studio.engines.get(wanted.engine or None)
    await studio.enhancer("" if wanted.enhancer == NO_ENHANCER else wanted.enhancer)
