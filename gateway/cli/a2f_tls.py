"""Encryption on the way to a gRPC server, from the options of `a2f infer`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.cli.failure import UsageFailureError
from gateway.cli.output import read_input

if TYPE_CHECKING:
    import grpc


@dataclass(frozen=True, slots=True)
class Tls:
    """What is trusted, and who the client is; PEM files. Without `authority` the usual authorities are trusted.

    Any of the files asks for encryption; `certificate` and `key` belong together.
    """

    wanted: bool = False
    authority: Path | None = None
    certificate: Path | None = None
    key: Path | None = None

    @property
    def on(self) -> bool:
        """Whether the way is encrypted."""
        return self.wanted or any(path is not None for path in (self.authority, self.certificate, self.key))

    def check(self) -> None:
        """Raises UsageFailureError for half of a pair."""
        if (self.certificate is None) != (self.key is None):
            raise UsageFailureError("--tls-certificate and --tls-key belong together")

    def credentials(self) -> grpc.ChannelCredentials:
        """For a channel; UsageFailureError for a file that is not there."""
        import grpc

        files = (self.authority, self.key, self.certificate)
        return grpc.ssl_channel_credentials(*(None if path is None else read_input(path) for path in files))
