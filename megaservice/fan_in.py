"""What a node with several predecessors gets: all their outputs, none silently overwritten."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from comps.core.errors import AvatarError

_OF_ONE_NODE = frozenset(("id", "downstream_black_list"))
"""Keys that speak of the document they are in, and mean nothing in a merged one."""


class FanInError(AvatarError):
    """500: two predecessors of a node give the same key different values; rename one in `align_outputs`."""

    code = "fan_in"


class JoinedOutputs(dict[str, Any]):
    """The merged outputs of several nodes; `by_node` has them apart, by the name of the node."""

    def __init__(self, by_node: Mapping[str, Any]) -> None:
        super().__init__()
        self.by_node = dict(by_node)


def join_outputs(nodes: Iterable[str], results: Mapping[str, Any]) -> Any:
    """The output of a single node as it is; of several nodes, their keys in one `JoinedOutputs`.

    An output that is no mapping is found under its node's name.

    Raises:
        FanInError: a key comes from two nodes with different values.
    """
    names = list(nodes)
    if len(names) == 1:
        return results[names[0]]
    joined = JoinedOutputs({name: results[name] for name in names})
    origin: dict[str, str] = {}
    for name, output in joined.by_node.items():
        for key, value in output.items() if isinstance(output, Mapping) else [(name, output)]:
            if key in _OF_ONE_NODE:
                continue
            if key in joined and joined[key] != value:
                raise FanInError(f"nodes '{origin[key]}' and '{name}' both give '{key}', with different values")
            joined[key] = value
            origin[key] = name
    return joined
