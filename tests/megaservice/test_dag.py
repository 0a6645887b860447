"""The graph: properties on random graphs, and the behaviour OPEA's code relies on."""

from __future__ import annotations

from graphlib import CycleError

import pytest
from hypothesis import given
from hypothesis import strategies as st

from megaservice.dag import DAG
from megaservice.skipping import skip_black_listed, without_unreached

NODES = [f"n{index}" for index in range(8)]
Edges = list[tuple[str, str]]
edges = st.lists(st.tuples(st.sampled_from(NODES), st.sampled_from(NODES)), max_size=40)


def build(pairs: Edges) -> tuple[DAG, set[tuple[str, str]]]:
    """A graph of all edges that could be added."""
    dag = DAG()
    for node in NODES:
        dag.add_node(node)
    kept = set()
    for before, after in pairs:
        try:
            dag.add_edge(before, after)
            kept.add((before, after))
        except CycleError:
            pass
    return dag, kept


def reaches(kept: set[tuple[str, str]], start: str) -> set[str]:
    """Nodes after `start`, by brute force."""
    found: set[str] = set()
    while True:
        more = {after for before, after in kept if before == start or before in found} - found
        if not more:
            return found
        found |= more


@given(edges)
def test_order_puts_every_node_after_those_it_waits_for(pairs: Edges) -> None:
    dag, kept = build(pairs)
    order = dag.topological_sort()
    assert sorted(order) == NODES
    assert all(order.index(before) < order.index(after) for before, after in kept)


@given(edges)
def test_an_edge_is_refused_exactly_when_it_would_close_a_cycle(pairs: Edges) -> None:
    dag = DAG()
    for node in NODES:
        dag.add_node(node)
    kept: set[tuple[str, str]] = set()
    for before, after in pairs:
        if before == after or before in reaches(kept, after):
            with pytest.raises(CycleError):
                dag.add_edge(before, after)
        else:
            dag.add_edge(before, after)
            kept.add((before, after))
    assert {(before, after) for before, afters in dag.graph.items() for after in afters} == kept
    assert dag.validate()


@given(edges)
def test_predecessors_and_successors_mirror_each_other(pairs: Edges) -> None:
    dag, kept = build(pairs)
    for node in NODES:
        assert set(dag.downstream(node)) == {after for before, after in kept if before == node}
        assert set(dag.predecessors(node)) == {before for before, after in kept if after == node}
    assert set(dag.ind_nodes()) == {node for node in NODES if not dag.predecessors(node)}
    assert set(dag.all_leaves()) == {node for node in NODES if not dag.downstream(node)}


@given(edges)
def test_all_downstreams_are_the_reachable_nodes_in_order(pairs: Edges) -> None:
    dag, kept = build(pairs)
    order = dag.topological_sort()
    for node in NODES:
        after = dag.all_downstreams(node)
        assert set(after) == reaches(kept, node)
        assert [order.index(name) for name in after] == sorted(order.index(name) for name in after)


@given(edges, st.sampled_from(NODES))
def test_removing_a_node_leaves_no_trace(pairs: Edges, gone: str) -> None:
    dag, kept = build(pairs)
    copy = dag.copy()
    dag.delete_node(gone)
    assert gone not in dag.graph
    assert all(gone not in after for after in dag.graph.values())
    assert {(before, after) for before, afters in copy.graph.items() for after in afters} == kept


@given(edges)
def test_from_dict_gives_the_same_graph(pairs: Edges) -> None:
    dag, _ = build(pairs)
    twin = DAG()
    twin.from_dict({node: sorted(after) for node, after in dag.graph.items()})
    assert twin.graph == dag.graph


def test_unknown_and_repeated_nodes_are_key_errors() -> None:
    dag = DAG()
    dag.add_node("a")
    dag.add_node_if_not_exists("a")
    for call in (
        lambda: dag.add_node("a"),
        lambda: dag.add_edge("a", "b"),
        lambda: dag.add_edge("b", "a"),
        lambda: dag.delete_edge("a", "b"),
        lambda: dag.delete_node("b"),
        lambda: dag.downstream("b"),
        lambda: dag.predecessors("b"),
        lambda: dag.all_downstreams("b"),
    ):
        with pytest.raises(KeyError):
            call()
    dag.delete_node_if_exists("b")
    assert dag.size() == 1


def test_graphs_given_as_dictionaries_are_judged_too() -> None:
    dag = DAG()
    assert not dag.validate()
    assert dag.validate({"a": ["b"], "b": []})
    assert not dag.validate({"a": ["b"], "b": ["a"]})
    assert not dag.validate({"r": [], "a": ["b"], "b": ["a"]})
    assert dag.topological_sort({"b": [], "a": ["b"]}) == ["a", "b"]
    assert dag.ind_nodes({"b": [], "a": ["b"]}) == ["a"]
    with pytest.raises(ValueError, match="cycle"):
        dag.topological_sort({"a": ["a"]})


def test_from_dict_refuses_what_is_no_graph() -> None:
    dag = DAG()
    with pytest.raises(TypeError):
        dag.from_dict({"a": "b", "b": []})  # type: ignore[dict-item]
    with pytest.raises(CycleError):
        dag.from_dict({"a": ["b"], "b": ["a"]})
    with pytest.raises(KeyError):
        dag.from_dict({"a": ["b"]})


def test_an_edge_can_be_removed_and_turned() -> None:
    dag = DAG()
    dag.from_dict({"a": ["b"], "b": []})
    dag.delete_edge("a", "b")
    dag.add_edge("b", "a")
    assert dag.topological_sort() == ["b", "a"]


@given(edges, st.sampled_from(NODES))
def test_a_copy_shares_nothing_with_its_original(pairs: Edges, one: str) -> None:
    dag, kept = build(pairs)
    copy = dag.copy()
    for before, after in kept:
        copy.delete_edge(before, after)
    copy.delete_node(one)
    copy.add_node_if_not_exists("new")
    assert "new" not in dag.graph
    assert {(before, after) for before, afters in dag.graph.items() for after in afters} == kept
    assert copy.all_leaves() == copy.ind_nodes() == [node for node in NODES if node != one] + ["new"]


@given(edges, st.integers(0, 39))
def test_an_edge_taken_out_lets_its_opposite_in_unless_another_way_leads_there(pairs: Edges, pick: int) -> None:
    dag, kept = build(pairs)
    if not kept:
        return
    before, after = sorted(kept)[pick % len(kept)]
    dag.delete_edge(before, after)
    if after in reaches(kept - {(before, after)}, before):
        with pytest.raises(CycleError):
            dag.add_edge(after, before)
    else:
        dag.add_edge(after, before)
    assert dag.validate()


@given(edges, st.sampled_from(NODES))
def test_what_cannot_be_reached_any_more_is_left_out(pairs: Edges, root: str) -> None:
    dag, kept = build(pairs)
    left = without_unreached(dag, [root])
    assert set(left.graph) == {root} | reaches(kept, root)
    assert {(before, after) for before, afters in left.graph.items() for after in afters} == {
        edge for edge in kept if edge[0] in left.graph
    }


@given(edges, st.sampled_from(NODES), st.sets(st.sampled_from(NODES), max_size=3))
def test_skipping_cuts_exactly_what_waits_for_nobody_else(pairs: Edges, node: str, skipped: set[str]) -> None:
    dag, kept = build(pairs)
    roots = dag.ind_nodes()
    skip_black_listed(dag, node, {"downstream_black_list": [f"^{name}$" for name in sorted(skipped)]})
    cut = {(node, name) for name in skipped} & kept
    while True:  # by brute force: a node all of whose edges are cut gives on nothing
        dead = {name for name in NODES if name not in roots and not {edge for edge in kept - cut if edge[1] == name}}
        more = {edge for edge in kept - cut if edge[0] in dead}
        if not more:
            break
        cut |= more
    assert {(before, after) for before, afters in dag.graph.items() for after in afters} == kept - cut


def test_reset_graph_can_be_filled_anew() -> None:
    dag = DAG()
    dag.from_dict({"a": ["b"], "b": []})
    dag.reset_graph()
    assert dag.size() == 0
    dag.add_node("a")
    assert dag.graph == {"a": set()}
