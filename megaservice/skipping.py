"""Parts of a graph that one request leaves out, because a node's answer says so."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from typing import Any

from megaservice.dag import DAG

logger = logging.getLogger(__name__)


def skip_black_listed(graph: DAG, node: str, output: Any) -> None:
    """Cut the edges from `node` to successors matched by a pattern in the output's ``downstream_black_list``.

    A successor that then waits for nobody is skipped, and so are its own edges. A pattern that is
    no regular expression is logged and ignored.
    """
    if not isinstance(output, Mapping):
        return
    for pattern in output.get("downstream_black_list") or ():
        for after in graph.downstream(node):
            if _matches(str(pattern), after):
                _cut(graph, node, after)


def without_unreached(graph: DAG, roots: list[str]) -> DAG:
    """`graph` less the nodes that cannot be reached from `roots`."""
    reached, waiting = set(roots), list(roots)
    while waiting:
        fresh = [after for after in graph.downstream(waiting.pop()) if after not in reached]
        reached.update(fresh)
        waiting += fresh
    if len(reached) < graph.size():
        for node in graph.graph.keys() - reached:
            graph.delete_node(node)
    return graph


def _cut(graph: DAG, before: str, after: str) -> None:
    graph.delete_edge(before, after)
    if not graph.predecessors(after):
        for further in graph.downstream(after):
            _cut(graph, after, further)


def _matches(pattern: str, name: str) -> bool:
    try:
        return re.search(pattern, name) is not None
    except re.error:
        logger.error("downstream_black_list: %r is not a regular expression", pattern)
        return False
