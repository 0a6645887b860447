"""A directed acyclic graph of named nodes, with the method names OPEA users know.

Order of insertion is kept everywhere, so equal programs give equal orders. An edge is checked for
cycles when it is added, by looking only at what lies downstream of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from graphlib import CycleError, TopologicalSorter

Graph = Mapping[str, Iterable[str]]


class DAG:
    """Nodes and edges; `ind_node → dep_node` means that the second waits for the first."""

    def __init__(self) -> None:
        self._successors: dict[str, dict[str, None]] = {}
        self._predecessors: dict[str, dict[str, None]] = {}

    @property
    def graph(self) -> dict[str, set[str]]:
        """Node to its direct successors: a copy, changing it changes nothing here."""
        return {node: set(after) for node, after in self._successors.items()}

    def reset_graph(self) -> None:
        """Drop every node and edge."""
        self._successors.clear()
        self._predecessors.clear()

    def size(self) -> int:
        """How many nodes there are."""
        return len(self._successors)

    def copy(self) -> DAG:
        """A graph of the same nodes and edges that can be cut without touching this one."""
        twin = DAG()
        twin._successors = {node: dict(after) for node, after in self._successors.items()}
        twin._predecessors = {node: dict(before) for node, before in self._predecessors.items()}
        return twin

    def add_node(self, node_name: str) -> None:
        """Add a node; raises KeyError when it is there already."""
        if node_name in self._successors:
            raise KeyError(f"node '{node_name}' is already in the graph")
        self._successors[node_name] = {}
        self._predecessors[node_name] = {}

    def add_node_if_not_exists(self, node_name: str) -> None:
        """Add a node unless it is there already."""
        if node_name not in self._successors:
            self.add_node(node_name)

    def delete_node(self, node_name: str) -> None:
        """Remove a node and its edges; raises KeyError when it is not there."""
        for after in self._known(node_name):
            del self._predecessors[after][node_name]
        for before in self._predecessors[node_name]:
            del self._successors[before][node_name]
        del self._successors[node_name], self._predecessors[node_name]

    def delete_node_if_exists(self, node_name: str) -> None:
        """Remove a node and its edges if it is there."""
        if node_name in self._successors:
            self.delete_node(node_name)

    def add_edge(self, ind_node: str, dep_node: str) -> None:
        """Make `dep_node` wait for `ind_node`; adding an edge twice is the same as once.

        Raises:
            KeyError: a node is unknown.
            CycleError: the edge would close a cycle; the graph is left as it was.
        """
        self._known(ind_node)
        self._known(dep_node)
        if ind_node == dep_node or ind_node in self._reachable(dep_node):
            raise CycleError(f"'{ind_node}' → '{dep_node}' would close a cycle")
        self._successors[ind_node][dep_node] = None
        self._predecessors[dep_node][ind_node] = None

    def delete_edge(self, ind_node: str, dep_node: str) -> None:
        """Remove an edge; raises KeyError when it is not there."""
        if dep_node not in self._successors.get(ind_node, ()):
            raise KeyError(f"there is no edge '{ind_node}' → '{dep_node}'")
        del self._successors[ind_node][dep_node]
        del self._predecessors[dep_node][ind_node]

    def predecessors(self, node: str) -> list[str]:
        """Nodes with an edge to `node`; raises KeyError when it is unknown."""
        self._known(node)
        return list(self._predecessors[node])

    def downstream(self, node: str) -> list[str]:
        """Nodes that `node` has an edge to; raises KeyError when it is unknown."""
        return list(self._known(node))

    def all_downstreams(self, node: str) -> list[str]:
        """Every node that waits for `node`, directly or not, in topological order."""
        self._known(node)
        reachable = self._reachable(node)
        return [name for name in self.topological_sort() if name in reachable]

    def all_leaves(self) -> list[str]:
        """Nodes that nothing waits for."""
        return [node for node, after in self._successors.items() if not after]

    def ind_nodes(self, graph: Graph | None = None) -> list[str]:
        """Nodes that wait for nothing, of `graph` if given (node to successors), else of this one."""
        if graph is None:
            return [node for node, before in self._predecessors.items() if not before]
        waiting = {after for successors in graph.values() for after in successors}
        return [node for node in graph if node not in waiting]

    def topological_sort(self, graph: Graph | None = None) -> list[str]:
        """Every node after all those it waits for; raises CycleError (a ValueError) on a cycle."""
        if graph is None:
            return list(TopologicalSorter(self._predecessors).static_order())
        before: dict[str, dict[str, None]] = {node: {} for node in graph}
        for node, successors in graph.items():
            for after in successors:
                before.setdefault(after, {})[node] = None
        return list(TopologicalSorter(before).static_order())

    def from_dict(self, graph_dict: Mapping[str, list[str]]) -> None:
        """Replace the graph by `graph_dict` (node to successors).

        Raises:
            TypeError: a value is not a list.
            KeyError: a successor is not a key.
            CycleError: there is a cycle.
        """
        self.reset_graph()
        for node in graph_dict:
            self.add_node(node)
        for node, successors in graph_dict.items():
            if not isinstance(successors, list):
                raise TypeError(f"the successors of '{node}' are not a list")
            for after in successors:
                self.add_edge(node, after)

    def validate(self, graph: Graph | None = None) -> bool:
        """True when the graph has a node to start from and no cycle."""
        if not self.ind_nodes(graph):
            return False
        try:
            self.topological_sort(graph)
        except CycleError:
            return False
        return True

    def _known(self, node: str) -> dict[str, None]:
        if node not in self._successors:
            raise KeyError(f"node '{node}' is not in the graph")
        return self._successors[node]

    def _reachable(self, start: str) -> set[str]:
        seen: set[str] = set()
        stack = [start]
        while stack:
            fresh = [after for after in self._successors[stack.pop()] if after not in seen]
            seen.update(fresh)
            stack.extend(fresh)
        return seen
