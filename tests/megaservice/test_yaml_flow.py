"""Megaservices described in YAML, run against a real server."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import Request
from hypothesis import given, settings
from hypothesis import strategies as st

import comps
from comps.core.errors import UpstreamError
from comps.core.serve import running
from megaservice.dag import DAG
from tests.megaservice.stubs import no_leaks, service

NAMES = ("a", "b", "c", "d")


@pytest.fixture
async def url() -> AsyncIterator[str]:
    """``/NAME`` answers ``{NAME: sorted keys of the body}``."""
    app = service("echo")

    @app.post("/html")
    async def html() -> str:
        return "<html>"

    @app.post("/{name}")
    async def echo(name: str, request: Request) -> dict[str, Any]:
        return {name: sorted(await request.json())}

    async with no_leaks(), running(app) as address:
        yield address


def written(path: Path, url: str, *rules: str, names: tuple[str, ...] = NAMES) -> Path:
    lines = ["opea_micro_services:", *(f"  {name}:\n    endpoint: {url}/{name}" for name in names)]
    lines += ["opea_mega_service:", "  mega_flow:" if rules else "  host: 127.0.0.1", *(f"    - {r}" for r in rules)]
    path.write_text("\n".join(lines))
    return path


async def run(path: Path, inputs: dict[str, Any]) -> dict[str, Any]:
    async with comps.ServiceOrchestratorWithYaml(str(path)) as orchestrator:
        results, graph = await orchestrator.schedule(inputs)
        assert orchestrator.result_dict is results
        assert set(orchestrator.get_all_final_outputs(results, graph)) == set(graph.all_leaves())
        return results


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        (["a >> b >> c >> d"], {"a": ["x"], "b": ["a"], "c": ["b"], "d": ["c"]}),
        (["a >> (b, c) >> d"], {"a": ["x"], "b": ["a"], "c": ["a"], "d": ["b", "c"]}),
        (["(a,b)>>c", "c  >>  d"], {"a": ["x"], "b": ["x"], "c": ["a", "b"], "d": ["c"]}),
        (["a >> b", "a >> b", "c >> d"], {"a": ["x"], "b": ["a"], "c": ["x"], "d": ["c"]}),
        ([], {name: ["x"] for name in NAMES}),
    ],
    ids=["chain", "diamond", "two roots", "a rule twice", "no rules"],
)
async def test_rules_make_the_graph(url: str, tmp_path: Path, rules: list[str], expected: dict[str, list[str]]) -> None:
    results = await run(written(tmp_path / "mega.yaml", url, *rules), {"x": 1})
    assert results == {name: {name: keys} for name, keys in expected.items()}


async def test_failing_service_is_named_as_in_the_file(url: str, tmp_path: Path) -> None:
    path = written(tmp_path / "mega.yaml", url, "a >> b")
    path.write_text(path.read_text().replace(f"{url}/b", f"{url.rpartition(':')[0]}:9/b"))
    with pytest.raises(UpstreamError, match="b cannot be reached") as failure:
        await run(path, {"x": 1})
    assert failure.value.service == "b"


@pytest.mark.parametrize(
    ("rules", "says"),
    [
        (["a >> nobody"], "'nobody' is not in the graph"),
        (["a >> b", "b >> a"], "would close a cycle"),
        (["a >> a"], "would close a cycle"),
        (["a >> "], "'' is not in the graph"),
    ],
)
def test_rules_that_make_no_graph_are_quoted(tmp_path: Path, rules: list[str], says: str) -> None:
    with pytest.raises(ValueError, match=says) as wrong:
        comps.ServiceOrchestratorWithYaml(written(tmp_path / "mega.yaml", "http://x", *rules))
    assert f"flow '{rules[-1].strip()}'" in str(wrong.value)


@pytest.mark.parametrize("text", ["", "opea_micro_services:\n", "other: 1\n"])
def test_file_without_services_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "mega.yaml"
    path.write_text(text)
    with pytest.raises(ValueError, match="no service to start from"):
        comps.ServiceOrchestratorWithYaml(path)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.lists(st.sampled_from(NAMES), min_size=1, max_size=3, unique=True), min_size=1, max_size=4))
def test_a_rule_joins_every_pair_of_neighbouring_groups(
    tmp_path_factory: pytest.TempPathFactory, groups: list[list[str]]
) -> None:
    rule = " >> ".join(f"({', '.join(group)})" for group in groups)
    wanted = {pair for before, after in itertools.pairwise(groups) for pair in itertools.product(before, after)}
    path = written(tmp_path_factory.mktemp("yaml") / "mega.yaml", "http://x", rule)
    if DAG().validate({name: [after for before, after in wanted if before == name] for name in NAMES}):
        graph = comps.ServiceOrchestratorWithYaml(path).graph
        assert {(before, after) for before, afters in graph.items() for after in afters} == wanted
    else:
        with pytest.raises(ValueError, match=r"cycle|no service to start from"):
            comps.ServiceOrchestratorWithYaml(path)
