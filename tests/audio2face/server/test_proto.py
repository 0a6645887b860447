"""The project's protocol against the published one, row by row."""

import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
from google.protobuf import descriptor_pool
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from grpc_health.v1 import health_pb2

from comps.animation.audio2face import proto

ROOT = Path(__file__).parents[3]
PROTOS = Path(proto.__file__).parent
PUBLISHED = json.loads((ROOT / "tests/data/audio2face/descriptors.json").read_text())
POOL = descriptor_pool.Default()
SCALARS = {
    getattr(FieldDescriptor, f"TYPE_{name.upper()}"): name
    for name in ("double", "float", "int32", "uint32", "int64", "uint64", "bool", "string", "bytes", "message", "enum")
}

for path in sorted(PROTOS.glob("*.proto")):
    import_module(f"{proto.__name__}.{path.stem}_pb2")
assert health_pb2.DESCRIPTOR.package == "grpc.health.v1"


def described(message: Descriptor) -> list[dict[str, object]]:
    return [row(field) for field in sorted(message.fields, key=lambda field: field.number)]


def row(field: FieldDescriptor) -> dict[str, object]:
    kind = field.message_type or field.enum_type
    oneof = field.containing_oneof
    optional = oneof is not None and oneof.name == f"_{field.name}"
    return {
        "label": "repeated" if field.is_repeated else "singular",
        "name": field.name,
        "number": field.number,
        "oneof": oneof.name if oneof is not None and not optional else None,
        "optional": optional,
        "type": SCALARS[field.type],
        "type_name": kind.full_name if kind is not None else None,
    }


@pytest.mark.parametrize("name", PUBLISHED["messages"])
def test_every_field_of_every_message_is_the_published_one(name):
    assert described(POOL.FindMessageTypeByName(name)) == PUBLISHED["messages"][name]


@pytest.mark.parametrize("name", PUBLISHED["maps"])
def test_maps_have_the_published_keys_and_values(name):
    entry = POOL.FindFieldByName(name).message_type
    assert entry.GetOptions().map_entry
    assert entry.full_name == PUBLISHED["maps"][name]["entry"]
    published = {part: PUBLISHED["maps"][name][part].rsplit(".", 1)[-1] for part in ("key", "value")}
    fields = {part: entry.fields_by_name[part] for part in ("key", "value")}
    assert {part: f.message_type.name if f.message_type else SCALARS[f.type] for part, f in fields.items()} == published


@pytest.mark.parametrize("name", PUBLISHED["enums"])
def test_enums_have_the_published_numbers(name):
    values = POOL.FindEnumTypeByName(name).values
    assert [{"name": v.name, "number": v.number} for v in values] == PUBLISHED["enums"][name]


@pytest.mark.parametrize("name", PUBLISHED["services"])
def test_methods_have_the_published_paths_and_streams(name):
    published = {method["name"]: method for method in PUBLISHED["services"][name]}
    ours = {method.name: method for method in POOL.FindServiceByName(name).methods}
    if name != "grpc.health.v1.Health":  # the library's has a method more than NVIDIA's wheel
        assert set(ours) == set(published)
    for method, expected in published.items():
        found = ours[method]
        assert f"/{name}/{method}" == expected["path"]
        assert (found.input_type.full_name, found.output_type.full_name) == (expected["input"], expected["output"])
        streams = (found.client_streaming, found.server_streaming)
        assert streams == (expected["client_streaming"], expected["server_streaming"])


def test_packages_are_the_published_ones_and_all_speak_proto3():
    packages = {file["package"] for file in PUBLISHED["files"].values()}
    ours = {import_module(f"{proto.__name__}.{path.stem}_pb2").DESCRIPTOR.package for path in PROTOS.glob("*.proto")}
    assert ours | {"grpc.health.v1"} == packages
    assert all('syntax = "proto3";' in path.read_text() for path in PROTOS.glob("*.proto"))


def test_nothing_is_declared_that_was_not_published():
    ours = {
        message.full_name
        for path in PROTOS.glob("*.proto")
        for message in import_module(f"{proto.__name__}.{path.stem}_pb2").DESCRIPTOR.message_types_by_name.values()
    }
    assert ours <= set(PUBLISHED["messages"])


def test_generated_modules_are_what_the_compiler_makes_of_the_proto_files(tmp_path):
    files = [str(path.relative_to(ROOT)) for path in sorted(PROTOS.glob("*.proto"))]
    arguments = [f"--python_out={tmp_path}", f"--pyi_out={tmp_path}", "--proto_path=.", *files]
    subprocess.run([sys.executable, "-m", "grpc_tools.protoc", *arguments], cwd=ROOT, check=True)
    made = {path.name: path.read_text() for path in tmp_path.rglob("*_pb2.py*")}
    assert made == {path.name: path.read_text() for path in PROTOS.glob("*_pb2.py*")}
