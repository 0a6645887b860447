"""Fields and engines of stages that a request skips: refused, because nothing a client sends is ignored unseen.

What clients send without meaning it stays accepted: nulls, empty values, and the defaults of this API and of OPEA's.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from pydantic import BaseModel

OPEA_DEFAULT_MODEL = "Intel/neural-chat-7b-v3-3"
"""What OPEA's clients send when they mean "the model you have"."""

_DEFAULTS: dict[str, tuple[object, ...]] = {
    "model": (OPEA_DEFAULT_MODEL, "tgi"),
    "max_tokens": (1024,),
    "temperature": (0.01,),
    "top_p": (0.95,),
    "top_k": (10,),
    "n": (1,),
    "presence_penalty": (0,),
    "frequency_penalty": (0,),
    "repetition_penalty": (1.03,),
    "voice": ("default",),
    "language": ("auto",),
}
"""Field to what OPEA's clients, or ours, send when they do not choose."""


def refuse_fields(body: object, skipped: Collection[str]) -> object:
    """`body` as it is.

    Raises:
        ValueError: it chooses a field of `skipped`.
    """
    if isinstance(body, dict):
        for name in sorted(skipped & body.keys()):
            if body[name] not in (None, "", [], *_DEFAULTS.get(name, ())):
                raise ValueError(f"'{name}' is for a stage that this request skips: leave it out")
    return body


def refuse_engines(engines: BaseModel, skipped: Sequence[str]) -> None:
    """Raise ValueError when `engines` names one for a stage of `skipped`."""
    for stage in skipped:
        if getattr(engines, stage):
            raise ValueError(f"'engine.{stage}' is for a stage that this request skips: leave it out")
