"""The one tree of errors, each with the HTTP status and the JSON shape a client sees.

Raise the most specific class with a sentence that tells the reader what to do. The application
factory turns any of these into ``{"error": {...}}``; everything else becomes a plain 500 that
names nothing but the request id.
"""

from __future__ import annotations

from typing import ClassVar


class AvatarError(Exception):
    """Base of every error a client may see.

    Args:
        message: public sentence; it must not contain another request's data or a stack trace.
        service: the service that failed (``asr``, ``llm``, ``tts``, ``animation``, ``gateway``);
            the application factory fills in its own name when it is empty.
        param: the request field at fault, if one is.
        retry_after_s: seconds after which a retry may work; sent as ``Retry-After``.
    """

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal"
    retryable: ClassVar[bool] = False

    def __init__(
        self,
        message: str,
        *,
        service: str = "",
        param: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.service = service
        self.param = param
        self.retry_after_s = retry_after_s


class BadRequestError(AvatarError):
    """400: the body is empty, or is not what its content type says (broken JSON, no multipart)."""

    status, code = 400, "bad_request"


class ForeignOriginError(AvatarError):
    """403: a page on another site made a browser send this."""

    status, code = 403, "foreign_origin"


class NotFoundError(AvatarError):
    """404: no such avatar, video or route."""

    status, code = 404, "not_found"


class MethodNotAllowedError(AvatarError):
    """405: the route exists, but not with this method."""

    status, code = 405, "method_not_allowed"


class TooLargeError(AvatarError):
    """413: more bytes, seconds of audio or pixels than the service takes."""

    status, code = 413, "too_large"


class UnsupportedMediaError(AvatarError):
    """415: the bytes are not audio (or not an image) in any format that can be read."""

    status, code = 415, "unsupported_media"


class UnprocessableError(AvatarError):
    """422: well formed, but a field or the content cannot be used (unknown voice, silence, no face)."""

    status, code = 422, "unprocessable"


class UnknownChoiceError(UnprocessableError):
    """422: a name (engine, voice, language...) that is not one of those offered; the message lists them."""

    code = "unknown_choice"


class NoSpeechError(UnprocessableError):
    """422: the audio holds no speech."""

    code = "no_speech"


class FaceError(UnprocessableError):
    """422: no face, several faces, or a face too small to animate."""

    code = "face"


class BusyError(AvatarError):
    """429: this client, or all of them together, asked for more at once than is served."""

    status, code, retryable = 429, "busy", True


class EngineUnavailableError(AvatarError):
    """503: the engine exists but cannot run here (its extra is not installed, its model is missing)."""

    status, code = 503, "engine_unavailable"


class SettingsError(AvatarError):
    """503: a variable holds what its setting cannot be; the message names it."""

    status, code = 503, "misconfigured"


class NotReadyError(AvatarError):
    """503: the service is still loading or is shutting down."""

    status, code, retryable = 503, "not_ready", True


class UpstreamError(AvatarError):
    """502: a service behind this one refused the connection, failed, or sent what it should not."""

    status, code, retryable = 502, "upstream_failed", True


class UpstreamTimeoutError(UpstreamError):
    """504: a service behind this one did not answer before its deadline."""

    status, code = 504, "upstream_timeout"


class StorageFullError(AvatarError):
    """507: a disk that this service writes to has no room left."""

    status, code = 507, "storage_full"
