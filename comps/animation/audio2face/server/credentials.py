"""Encryption of the gRPC server (`secure_mode` of the deployment file)."""

from __future__ import annotations

from pathlib import Path

import grpc

from comps.animation.audio2face.configuration.deployment import BidirectionalServer
from comps.animation.audio2face.configuration.document import ConfigurationError

_FILE = "deployment_config.yaml"
_SECTION = "endpoints/bidirectional/server"


def server_credentials(endpoint: BidirectionalServer) -> grpc.ServerCredentials | None:
    """Credentials for ``tls`` (own certificate) and ``mtls`` (the clients' is asked for too); None when disabled.

    Raises:
        ConfigurationError: a file cannot be read, or holds no PEM; it names the key.
    """
    if endpoint.secure_mode == "disabled":
        return None
    pair = (_pem(endpoint, "key_path"), _pem(endpoint, "certificate_path"))
    if endpoint.secure_mode == "tls":
        return grpc.ssl_server_credentials([pair])
    return grpc.ssl_server_credentials([pair], _pem(endpoint, "ca_path"), require_client_auth=True)


def _pem(endpoint: BidirectionalServer, key: str) -> bytes:
    path = Path(getattr(endpoint, key))
    try:
        found = path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror}", file=_FILE, key=f"{_SECTION}/{key}") from error
    if b"-----BEGIN " not in found:
        raise ConfigurationError(f"{path} is no PEM file", file=_FILE, key=f"{_SECTION}/{key}")
    return found
