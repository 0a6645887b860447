"""Every example becomes what it should, with the report it should have; nothing but that changes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comps.animation.audio2face.configuration import ConfigurationError, Layers, read_configuration
from comps.animation.audio2face.configuration.document import Document, parse_document, read_document
from comps.animation.audio2face.configuration.migration import Migration, Options, migrate
from comps.animation.audio2face.configuration.reading import configuration_of

EXAMPLES = Path(__file__).parent.parent / "data" / "audio2face" / "config"
CASES = sorted((folder.parent, folder) for folder in EXAMPLES.glob("*/expected_v*"))


def inputs(case: Path) -> list[Document]:
    return [read_document(path) for path in sorted((case / "input").iterdir())]


def of_texts(options: Options | None = None, **texts: str) -> Migration:
    return migrate([parse_document(text, f"{name}.yaml") for name, text in texts.items()], options)


def texts(migration: Migration) -> dict[str, str]:
    return {output.name: output.text for output in migration.outputs}


def unordered(value: Any) -> Any:
    return sorted(value, key=str) if isinstance(value, list) else value


@pytest.mark.parametrize(("case", "expected"), CASES, ids=[f"{case.name}-{to.name}" for case, to in CASES])
def test_example(case: Path, expected: Path) -> None:
    target = "1.2" if expected.name.endswith("1.2") else "2.0"
    migration = migrate(inputs(case), Options(target=target))
    wanted = {path.name: read_document(path).data for path in expected.glob("*.yaml")}
    assert {name: parse_document(text, name).data for name, text in texts(migration).items()} == wanted
    report = json.loads(json.dumps(migration.report.as_json()))
    for key, value in json.loads((expected / "report.json").read_text()).items():
        assert unordered(report[key]) == unordered(value), key


@pytest.mark.parametrize("case", ["v1.2", "v1.3"])
def test_in_place_keeps_every_other_line(case: str) -> None:
    migration = migrate(inputs(EXAMPLES / case))
    for output in migration.outputs:
        for line in output.base.splitlines():
            comment = line.partition("#")[2].strip()
            assert comment in output.text
    assert not migration.report.comments_dropped


@pytest.mark.parametrize(("case", "expected"), [one for one in CASES if one[1].name.endswith("2.0")])
def test_files_of_2_0_stay_as_they_are(case: Path, expected: Path) -> None:
    first = texts(migrate(inputs(case)))
    again = migrate([parse_document(text, name) for name, text in first.items()])
    assert texts(again) == first
    assert not again.needed
    assert again.report.source == "2.0"


@pytest.mark.parametrize("case", ["v1.0_docker", "v1.0_docker_partial", "v1.0_kubernetes", "v1.2", "v1.3"])
def test_the_service_reads_the_result(case: str) -> None:
    migration = migrate(inputs(EXAMPLES / case))
    assert migration.report.problems == []
    by_kind = {name.split("_")[-2]: parse_document(text, name) for name, text in texts(migration).items()}
    configuration = configuration_of(by_kind["stylization"], by_kind["deployment"], by_kind["advanced"])
    assert configuration.character in migration.outputs[-1].name + "".join(texts(migration))
    Layers(configuration)


def test_comments_of_removed_and_moved_keys_stay() -> None:
    style = (
        "a2f:\n  # the model\n  inference_model_id: 'claire_v2.3'  # agreed\n  blendshape_id: x # topology\n"
        "  face_params:\n    skin_strength: 1.0\n\n# about the rest\nnotes: {a: 1}\n"
    )
    text = texts(of_texts(claire_stylization=style))["claire_stylization.yaml"]
    lines = text.splitlines()
    assert "    inference_model_id: claire_v2.3.1 # agreed" in lines
    assert "  # topology" in lines
    # a comment of the next section does not end up among the new keys
    assert lines.index("# about the rest") > lines.index("    tongue_depth_offset: 0.0")
    assert text.endswith("\n\n# about the rest\nnotes: {a: 1}\n")


@pytest.mark.parametrize("wrapped", ["mapping", "text"])
def test_kubernetes_values_around_the_file(wrapped: str) -> None:
    flat = 'a2fModelName: "mark_v2.2"\nuseFP16A2E: "False"\nmaxLenUUID: "60"\n'
    inner = "".join(f"      {line}\n" for line in flat.splitlines())
    mark = "|" if wrapped == "text" else ""
    values = f"replicas: 2\naudio2face:\n  image: x\n  configs:\n    a2f_config.yaml: {mark}\n{inner}"
    migration = of_texts(values=values)
    advanced = parse_document(texts(migration)["advanced_config.yaml"], "a").data
    assert advanced["input_sanitization"]["max_len_uuid"] == 60
    assert dict(migration.report.not_migrated) == {"replicas": 2, "audio2face/image": "x"}


@pytest.mark.parametrize("wrapped", ["mapping", "text"])
def test_later_files_within_a_chart_are_edited_where_they_are(wrapped: str) -> None:
    mark = "|" if wrapped == "text" else ""
    values = (
        f"replicas: 2 # two\nconfigs:\n  claire_stylization_config.yaml: {mark}\n    a2f:\n"
        "      inference_model_id: claire_v2.3 # mine\n      blendshape_id: x\nother: 1\n"
    )
    text = texts(of_texts(values=values))["values.yaml"]
    assert text.startswith("replicas: 2 # two\nconfigs:\n")
    assert text.endswith("\nother: 1\n")
    assert "inference_model_id: claire_v2.3.1 # mine" in text
    assert not of_texts(values=text).needed


BAD: list[tuple[str, str, str]] = [
    ("a2f_config", "A2F:\n  model_path: /m/denmark_v1\n", "a2f_config.yaml:2: A2F/model_path: 'denmark_v1' begins with none"),
    ("a2f_config", "A2F:\n  model_path: claire_v1\n  api:\n    bs_weight_multipliers: [1, 2]\n", ":4: .*must have 52 numbers, but has 2"),
    ("a2f_config", "a2fModelName: mark_v1\nfaceParams: '{x'\n", ":2: faceParams: is no JSON"),
    ("a2f_config", "a2fModelName: mark_v1\nfaceParams: '{\"skin_strength\": NaN}'\n", "NaN is no number"),
    ("a2f_config", "a2fModelName: mark_v1\nstreamNumber: many\n", ":2: streamNumber: 'many' is no number"),
    ("a2f_config", "a2fModelName: mark_v1\nuseFP16A2F: perhaps\n", "neither true nor false"),
    ("stylization", "a2f:\n  inference_model_id: claire_v2.3\n  inference_type: regression\n", "half migrated"),
    ("anything", "some: thing\n", "holds no configuration of Audio2Face"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "text", "said"), BAD)
def test_what_cannot_be_understood_is_refused(name: str, text: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        of_texts(**{name: text})


def test_a_file_of_another_version_than_said() -> None:
    with pytest.raises(ConfigurationError, match=r"is a stylization file of 1\.3, not of 1\.2"):
        migrate(inputs(EXAMPLES / "v1.3"), Options(source="1.2"))


def test_a_character_can_be_said() -> None:
    migration = of_texts(Options(character="james"), a2f_config="A2F:\n  model_path: /m/own_v1\n")
    assert "james_stylization_config.yaml" in texts(migration)
    assert list(migration.report.warnings) == ["unknown_model"]


def test_half_precision_for_the_detector_is_reported_under_its_old_name() -> None:
    migration = of_texts(a2f_config='a2fModelName: claire_v1.3\nuseFP16A2E: "True"\n')
    changes = {one.path: (one.old, one.new) for one in migration.report.changed}
    assert changes["useFP16A2E"] == ("True", "fp32")


def test_the_effective_files_mean_what_was_read(tmp_path: Path) -> None:
    folder = EXAMPLES / "v1.3" / "expected_v2.0"
    names = ("claire_stylization_config.yaml", "deployment_config.yaml", "advanced_config.yaml")
    layers = Layers(read_configuration(*(folder / name for name in names)))
    for kind in ("yaml", "json"):
        files = layers.files(kind)
        again = Layers(configuration_of(*(parse_document(text, name) for name, text in files.items())))
        assert again.files(kind) == files
        assert again.deployment.values == layers.deployment.values


numbers = st.floats(0, 2, allow_nan=False).map(lambda value: round(value, 6))


@settings(max_examples=60, deadline=None)
@given(
    indent=st.integers(1, 6),
    strength=numbers,
    rows=st.dictionaries(st.sampled_from(["JawOpen", "TongueUp", "MouthClose"]), numbers, min_size=1),
    quote=st.sampled_from(["", "'", '"']),
    newline=st.booleans(),
)
def test_any_layout_keeps_its_values(
    indent: int, strength: float, rows: dict[str, float], quote: str, newline: bool
) -> None:
    pad = " " * indent
    lines = ["a2f:", f"{pad}inference_model_id: {quote}james_v2.3{quote}", f"{pad}face_params:"]
    lines += [f"{pad * 2}skin_strength: {strength!r}", f"{pad}blendshape_params:", f"{pad * 2}weight_offsets:"]
    lines += [f"{pad * 3}{name}: {value!r} # {name} by hand" for name, value in rows.items()]
    text = "\n".join(lines) + "\n" * newline
    migration = of_texts(james=text)
    data = parse_document(texts(migration)["james.yaml"], "j").data["a2f"]
    assert data["face_params"]["skin_strength"] == pytest.approx(strength, abs=1e-12)
    assert {name: data["blendshape_params"]["weight_offsets"][name] for name in rows} == rows
    assert all(f"# {name} by hand" in texts(migration)["james.yaml"] for name in rows)
