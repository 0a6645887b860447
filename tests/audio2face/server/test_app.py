"""The whole service, with the inference that it ships: addresses, probes, the services beside the stream, encryption."""

from __future__ import annotations

import asyncio
import hashlib
import json
import subprocess
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
import yaml
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

from comps.animation.audio2face.configuration import Configuration
from comps.animation.audio2face.names import ALL_SHAPES, FACE_EMOTIONS
from comps.animation.audio2face.proto import a2f_authoring_pb2
from comps.animation.audio2face.proto import a2x_export_config_service_pb2 as export_pb2
from comps.animation.audio2face.server import authoring, controller, export_config
from comps.animation.audio2face.server.app import create_app
from comps.animation.audio2face.server.settings import Audio2FaceServiceSettings
from comps.core.errors import UnprocessableError
from comps.core.serve import running
from tests.audio2face.server.harness import (
    audio_header,
    clip,
    configuration,
    connected,
    header,
    listened,
    opened,
    played,
    sent,
)
from tests.audio2face.test_pipeline import speech


class Whole:
    """A running service: `url` of HTTP, `address(name)` of a gRPC endpoint."""

    def __init__(self, url: str, app: Any) -> None:
        self.url, self.app = url, app

    def address(self, name: str = "grpc") -> str:
        return f"127.0.0.1:{self.app.state.endpoints.listeners[name].port}"


@asynccontextmanager
async def whole(found: Configuration | None = None, **settings: Any) -> AsyncIterator[Whole]:
    chosen = {"port": 0, "grpc_port": 0, "authoring_port": 0, "shutdown_grace_s": 1.0, "processes": 0, **settings}
    app = create_app(Audio2FaceServiceSettings(**chosen), found or configuration())
    async with running(app) as url:
        await app.state.readiness.settled()
        assert app.state.readiness.state == "ready", app.state.readiness.reason
        yield Whole(url, app)


async def get(url: str) -> httpx.Response:
    async with httpx.AsyncClient(trust_env=False) as client:
        return await client.get(url)


async def test_probes_and_metrics_answer_over_http() -> None:
    async with whole() as service:
        for path in ("/v1/health/ready", "/v1/health/live", "/v1/health/startup", "/readyz", "/livez"):
            assert (await get(service.url + path)).status_code == 200
        about = (await get(service.url + "/v1/metadata")).json()
        assert (about["character"], about["streams"]) == ("claire", 10)
        assert (await played(service.address(), clip(speech(1.0)))).code == grpc.StatusCode.OK
        shown = (await get(service.url + "/metrics")).text
    assert "streams_available 10.0" in shown
    assert "audio2face_frames_total 31.0" in shown


async def test_the_prometheus_address_of_the_deployment_file_is_served() -> None:
    port = 39_464
    telemetry = {"metrics_enabled": True, "prometheus_endpoint": f"0.0.0.0:{port}"}
    async with whole(configuration(deployment={"telemetry": telemetry})):
        shown = await get(f"http://127.0.0.1:{port}/metrics")
        assert "streams_in_use 0.0" in shown.text
    with pytest.raises(httpx.ConnectError):
        await get(f"http://127.0.0.1:{port}/metrics")


async def test_health_is_not_serving_before_the_models_are_there_and_serving_after(monkeypatch: Any) -> None:
    from comps.animation.audio2face.server import app as module

    loaded, loading = asyncio.Event(), asyncio.get_running_loop()
    load = module._load

    def slow(*arguments: Any) -> Any:
        asyncio.run_coroutine_threadsafe(loaded.wait(), loading).result(20)
        return load(*arguments)

    monkeypatch.setattr(module, "_load", slow)
    app = create_app(Audio2FaceServiceSettings(port=0, grpc_port=0, authoring=False, processes=0), configuration())
    async with running(app) as url:
        await asyncio.wait_for(listening(app), 20)
        address = f"127.0.0.1:{app.state.endpoints.listeners['grpc'].port}"
        assert (await get(url + "/v1/health/live")).status_code == 200
        assert (await get(url + "/v1/health/ready")).status_code == 503
        async with connected(address) as channel:
            watch = channel.unary_stream(
                "/grpc.health.v1.Health/Watch",
                request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
                response_deserializer=health_pb2.HealthCheckResponse.FromString,
            )(health_pb2.HealthCheckRequest())
            assert (await watch.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
            refused = await played(address, clip(speech(0.5)))
            assert refused.code == grpc.StatusCode.UNAVAILABLE
            loaded.set()
            assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVING
            watch.cancel()
            assert await health(channel, controller.SERVICE) == health_pb2.HealthCheckResponse.SERVING
            with pytest.raises(grpc.aio.AioRpcError) as raised:
                await health(channel, "no.such.Service")
            assert raised.value.code() == grpc.StatusCode.NOT_FOUND


async def listening(app: Any) -> None:
    while not hasattr(app.state, "endpoints") or not app.state.endpoints.listeners["grpc"].port:  # noqa: ASYNC110
        await asyncio.sleep(0.01)


async def health(channel: Any, service: str = "") -> int:
    check = channel.unary_unary(
        "/grpc.health.v1.Health/Check",
        request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
        response_deserializer=health_pb2.HealthCheckResponse.FromString,
    )
    return int((await check(health_pb2.HealthCheckRequest(service=service))).status)


async def test_reflection_lists_the_services() -> None:
    async with whole() as service, connected(service.address()) as channel:
        ask = channel.stream_stream(
            "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
            request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
            response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
        )()
        await ask.write(reflection_pb2.ServerReflectionRequest(list_services=""))
        listed = {found.name for found in (await ask.read()).list_services_response.service}
        await ask.write(reflection_pb2.ServerReflectionRequest(file_containing_symbol=controller.SERVICE))
        assert (await ask.read()).file_descriptor_response.file_descriptor_proto
        ask.cancel()
    assert listed >= {controller.SERVICE, export_config.SERVICE, "grpc.health.v1.Health"}


@pytest.mark.parametrize(("kind", "parse"), [("YAML", yaml.safe_load), ("JSON", json.loads)])
async def test_the_configuration_in_force_comes_as_plain_files(kind: str, parse: Any) -> None:
    found = configuration(style={"a2e": {"post_processing_params": {"max_emotions": 5}}})
    async with whole(found) as service, connected(service.address()) as channel:
        call = channel.unary_stream(
            f"/{export_config.SERVICE}/GetConfigs",
            request_serializer=export_pb2.ConfigsTypeRequest.SerializeToString,
            response_deserializer=export_pb2.A2XConfig.FromString,
        )
        files = {
            config.name: parse(config.content) async for config in call(export_pb2.ConfigsTypeRequest(config_type=kind))
        }
    suffix = kind.lower()
    assert set(files) == {
        f"{name}.{suffix}" for name in ("claire_stylization_config", "deployment_config", "advanced_config")
    }
    assert files[f"claire_stylization_config.{suffix}"]["a2e"]["post_processing_params"]["max_emotions"] == 5
    assert files[f"advanced_config.{suffix}"]["pipeline_parameters"]["burst_mode"] is True


async def upload(channel: Any, pcm: bytes, **changed: Any) -> Any:
    call = channel.unary_unary(
        f"/{authoring.SERVICE}/UploadAudioClip",
        request_serializer=a2f_authoring_pb2.AudioClip.SerializeToString,
        response_deserializer=a2f_authoring_pb2.AudioClipHandle.FromString,
    )
    return await call(a2f_authoring_pb2.AudioClip(audio_header=audio_header(**changed), content=pcm))


async def pose_of(channel: Any, **asked: Any) -> Any:
    call = channel.unary_unary(
        f"/{authoring.SERVICE}/GetAvatarFacePose",
        request_serializer=a2f_authoring_pb2.FacePoseRequest.SerializeToString,
        response_deserializer=a2f_authoring_pb2.BlendShapeData.FromString,
    )
    return await call(a2f_authoring_pb2.FacePoseRequest(**asked))


async def test_poses_of_an_uploaded_clip_can_be_asked_for_at_any_time() -> None:
    pcm = speech(2.0)
    async with whole() as service, connected(service.address("authoring")) as channel:
        handle = await upload(channel, pcm)
        assert handle.audio_clip_id == hashlib.sha256(pcm).hexdigest()
        assert list(handle.blendshape_names) == list(ALL_SHAPES)
        known = {"audio_hash": handle.audio_clip_id}
        poses = [await pose_of(channel, time_stamp=at, **known) for at in (0.0, 0.5, 1.01, 2.0)]
        again = await pose_of(channel, time_stamp=0.5, **known)
        joyful = await pose_of(channel, time_stamp=0.5, preferred_emotions={"joy": 1.0}, **known)
        shaped = {"bs_weight_offsets": {"TongueOut": 0.5}}
        offset = await pose_of(channel, time_stamp=0.5, blendshape_params=shaped, **known)
    assert [pose.time_code for pose in poses] == pytest.approx([0.0, 0.5, 1.01, 2.0])
    assert all(len(pose.blendshapes) == 68 and set(pose.emotions) == set(FACE_EMOTIONS) for pose in poses)
    assert again == poses[1]
    assert joyful.emotions["joy"] > poses[1].emotions["joy"] + 0.2
    assert offset.blendshapes[ALL_SHAPES.index("TongueOut")] == pytest.approx(0.5)


async def test_an_upload_may_be_larger_than_a_message_usually_is() -> None:
    async with whole() as service, connected(service.address("authoring")) as channel:
        assert (await upload(channel, bytes(300 * 32_000))).audio_clip_id


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"audio_hash": "f" * 64}, grpc.StatusCode.NOT_FOUND),
        ({"time_stamp": -0.1}, grpc.StatusCode.INVALID_ARGUMENT),
        ({"time_stamp": 0.51}, grpc.StatusCode.INVALID_ARGUMENT),
        ({"time_stamp": float("nan")}, grpc.StatusCode.INVALID_ARGUMENT),
        ({"face_params": {"float_params": {"skinStrength": 9.0}}}, grpc.StatusCode.INVALID_ARGUMENT),
        ({"preferred_emotions": {"joy": 2.0}}, grpc.StatusCode.INVALID_ARGUMENT),
    ],
)
async def test_a_pose_that_cannot_be_had_is_refused(asked: Mapping[str, Any], code: grpc.StatusCode) -> None:
    async with whole() as service, connected(service.address("authoring")) as channel:
        handle = await upload(channel, speech(0.5))
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await pose_of(channel, **{"audio_hash": handle.audio_clip_id, **asked})
    assert raised.value.code() == code


@pytest.mark.parametrize(
    ("pcm", "changed", "code"),
    [
        (b"\0\0\0", {}, grpc.StatusCode.INVALID_ARGUMENT),
        (b"\0\0", {"channel_count": 2}, grpc.StatusCode.INVALID_ARGUMENT),
        (b"\0\0", {"rate": 8_000}, grpc.StatusCode.INVALID_ARGUMENT),
        (bytes(301 * 32_000), {}, grpc.StatusCode.RESOURCE_EXHAUSTED),
    ],
)
async def test_a_clip_that_cannot_be_used_is_not_kept(pcm: bytes, changed: Any, code: grpc.StatusCode) -> None:
    async with whole() as service, connected(service.address("authoring")) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await upload(channel, pcm, **changed)
    assert raised.value.code() == code


def make_certificates(folder: Path) -> None:
    """An authority, and a certificate for 127.0.0.1 and one for a client, both signed by it."""

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], check=True, capture_output=True, cwd=folder)

    key = ("-newkey", "rsa:2048", "-nodes")
    openssl("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=test authority")
    for name in ("server", "client"):
        (folder / "names").write_text("subjectAltName=IP:127.0.0.1\n")
        openssl("req", *key, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        openssl(
            "x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
            "-out", f"{name}.pem", "-days", "2", "-extfile", "names",
        )  # fmt: skip


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("certificates")
    make_certificates(folder)
    return folder


def secured(mode: str, folder: Path) -> Configuration:
    server = {
        "secure_mode": mode,
        "certificate_path": str(folder / "server.pem"),
        "key_path": str(folder / "server.key"),
        "ca_path": str(folder / "ca.pem"),
    }
    return configuration(deployment={"endpoints": {"bidirectional": {"server": server}}})


async def code_over(address: str, credentials: grpc.ChannelCredentials | None) -> grpc.StatusCode | None:
    async with connected(address, credentials) as channel:
        call = opened(channel)
        await sent(call, clip(speech(0.5)))
        return (await asyncio.wait_for(listened(call), 20)).code


async def test_tls_serves_those_who_trust_the_authority_and_nobody_in_the_clear(certificates: Path) -> None:
    trusting = grpc.ssl_channel_credentials((certificates / "ca.pem").read_bytes())
    async with whole(secured("tls", certificates)) as service:
        assert await code_over(service.address(), trusting) == grpc.StatusCode.OK
        assert await code_over(service.address(), None) == grpc.StatusCode.UNAVAILABLE
        async with connected(service.address("authoring"), trusting) as channel:
            assert (await upload(channel, speech(0.5))).audio_clip_id


async def test_mutual_tls_serves_only_clients_with_a_certificate(certificates: Path) -> None:
    authority = (certificates / "ca.pem").read_bytes()
    own = [(certificates / f"client.{kind}").read_bytes() for kind in ("key", "pem")]
    async with whole(secured("mtls", certificates)) as service:
        known = grpc.ssl_channel_credentials(authority, *own)
        assert await code_over(service.address(), known) == grpc.StatusCode.OK
        anonymous = grpc.ssl_channel_credentials(authority)
        assert await code_over(service.address(), anonymous) == grpc.StatusCode.UNAVAILABLE


@pytest.mark.parametrize(("name", "content"), [("server.pem", None), ("server.key", "no key")])
async def test_a_certificate_that_cannot_be_read_is_named(name: str, content: str | None, tmp_path: Path) -> None:
    for file in ("server.pem", "server.key", "ca.pem"):
        (tmp_path / file).write_text("-----BEGIN CERTIFICATE-----\n")
    (tmp_path / name).unlink() if content is None else (tmp_path / name).write_text(content)
    app = create_app(
        Audio2FaceServiceSettings(port=0, grpc_port=0, authoring=False, processes=0), secured("mtls", tmp_path)
    )
    told: list[str] = []
    app.state.give_up = told.append
    async with running(app) as url:
        await app.state.readiness.settled()
        await asyncio.sleep(0.05)
        assert (await get(url + "/v1/health/ready")).status_code == 503
        with pytest.raises(UnprocessableError, match=f"endpoints/bidirectional/server/.*{name}"):
            raise UnprocessableError(told[0])


async def test_stopping_ends_open_streams_with_unavailable() -> None:
    async with connected_call() as (service, call):
        await sent(call, [header()])
        await call.read()
        stopping = asyncio.create_task(service.app.state.endpoints.stop(1.0))
        heard = await asyncio.wait_for(listened(call), 5)
        await stopping
    assert (heard.code, heard.details) == (grpc.StatusCode.UNAVAILABLE, "the service is shutting down")


@asynccontextmanager
async def connected_call() -> AsyncIterator[tuple[Whole, Any]]:
    async with whole() as service, connected(service.address()) as channel:
        yield service, opened(channel)


async def test_a_port_that_is_taken_is_told() -> None:
    async with whole() as service:
        taken = int(service.address().rpartition(":")[2])
        app = create_app(
            Audio2FaceServiceSettings(port=0, grpc_port=taken, authoring_port=0, processes=0), configuration()
        )
        told: list[str] = []
        app.state.give_up = told.append
        async with running(app):
            await app.state.readiness.settled()
            await asyncio.sleep(0.05)
    assert len(told) == 1
    assert f"cannot listen on 127.0.0.1:{taken}" in told[0]
