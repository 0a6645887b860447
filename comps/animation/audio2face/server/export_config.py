"""`A2XExportConfigService/GetConfigs`: the configuration in force, as files."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import grpc

from comps.animation.audio2face.configuration.layers import Format
from comps.animation.audio2face.proto import a2x_export_config_service_pb2 as export_pb2
from comps.animation.audio2face.server.calls import Context, answered
from comps.animation.audio2face.server.service import Service

SERVICE: str = export_pb2.DESCRIPTOR.services_by_name["A2XExportConfigService"].full_name


def handler(service: Service) -> grpc.GenericRpcHandler:
    """Serves `SERVICE`."""

    async def get_configs(request: Any, context: Context) -> AsyncIterator[export_pb2.A2XConfig]:
        kind: Format = "json" if request.config_type == export_pb2.ConfigsTypeRequest.JSON else "yaml"
        async with answered(context, "GetConfigs", service.metrics):
            for name, content in service.layers.files(kind).items():
                yield export_pb2.A2XConfig(name=name, content=content)

    method: Any = grpc.unary_stream_rpc_method_handler(
        get_configs,
        request_deserializer=export_pb2.ConfigsTypeRequest.FromString,
        response_serializer=export_pb2.A2XConfig.SerializeToString,
    )
    return grpc.method_handlers_generic_handler(SERVICE, {"GetConfigs": method})
