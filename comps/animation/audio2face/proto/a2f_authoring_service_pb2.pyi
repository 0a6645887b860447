from comps.animation.audio2face.proto import a2f_authoring_pb2 as _a2f_authoring_pb2
from google.protobuf import descriptor as _descriptor
from typing import ClassVar as _ClassVar

DESCRIPTOR: _descriptor.FileDescriptor
