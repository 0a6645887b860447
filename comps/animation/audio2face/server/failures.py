"""How a call fails: an error of the one tree becomes a gRPC code."""

from __future__ import annotations

import grpc

from comps.core.errors import (
    AvatarError,
    BusyError,
    EngineUnavailableError,
    NotFoundError,
    NotReadyError,
    TooLargeError,
    UpstreamError,
)

_CODES: tuple[tuple[type[AvatarError], grpc.StatusCode], ...] = (
    (TooLargeError, grpc.StatusCode.RESOURCE_EXHAUSTED),
    (BusyError, grpc.StatusCode.RESOURCE_EXHAUSTED),
    (NotFoundError, grpc.StatusCode.NOT_FOUND),
    (NotReadyError, grpc.StatusCode.UNAVAILABLE),
    (EngineUnavailableError, grpc.StatusCode.UNAVAILABLE),
    (UpstreamError, grpc.StatusCode.UNAVAILABLE),
)
INTERNAL_MESSAGE = "the inference failed; the service's log says why"


class TooSlowError(AvatarError):
    """408: the client let too much time pass, or the call took too long."""

    status, code = 408, "too_slow"


def code_of(error: AvatarError) -> grpc.StatusCode:
    """The gRPC code of an error; what the client got wrong is INVALID_ARGUMENT."""
    if isinstance(error, TooSlowError):
        return grpc.StatusCode.DEADLINE_EXCEEDED
    for kind, code in _CODES:
        if isinstance(error, kind):
            return code
    return grpc.StatusCode.INVALID_ARGUMENT if 400 <= error.status < 500 else grpc.StatusCode.INTERNAL
