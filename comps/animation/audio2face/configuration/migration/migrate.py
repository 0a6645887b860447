"""A migration from beginning to end: which files these are, what becomes of them, whether the result is sound."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from comps.animation.audio2face.configuration.document import (
    ConfigurationError,
    Document,
    parse_document,
    shown,
)
from comps.animation.audio2face.configuration.edits import Edits
from comps.animation.audio2face.configuration.migration.defaults import FILES, File, Tree, files_1_2
from comps.animation.audio2face.configuration.migration.recognise import OLDEST, Role, Site, Version, sites_of
from comps.animation.audio2face.configuration.migration.report import Changed, Report
from comps.animation.audio2face.configuration.migration.restructure import Restructuring, Source
from comps.animation.audio2face.configuration.migration.upgrade import UPGRADES, Step
from comps.animation.audio2face.configuration.reading import Notice, model_of, notices_of
from comps.animation.audio2face.configuration.rendering import yaml_text

From = Literal["auto", "1.0", "docker_config", "ucs", "1.2", "1.3", "2.0"]
To = Literal["1.2", "2.0"]

_NEW_ROLES: tuple[Role, ...] = ("stylization", "deployment", "advanced")
_ROLES: dict[From, tuple[Role, ...]] = {
    "auto": (*OLDEST, *_NEW_ROLES),
    "1.0": OLDEST,
    "docker_config": ("service", "controller"),
    "ucs": ("kubernetes",),
    "1.2": _NEW_ROLES,
    "1.3": _NEW_ROLES,
    "2.0": _NEW_ROLES,
}
_MAY_HOLD: dict[From, tuple[Version, ...]] = {"1.2": ("1.2",), "1.3": ("1.2", "1.3"), "2.0": ("2.0",)}
"""Versions that files of a named version may look like: files of 1.2 are files of 1.3."""


@dataclass(frozen=True, slots=True)
class Options:
    """How to migrate.

    Attributes:
        source: the version of the files, or the original tool's name for their kind.
        target: 1.2 is possible from 1.0 only.
        character: claire, james or mark, where the files do not say whose they are.
    """

    source: From = "auto"
    target: To = "2.0"
    character: str = ""


@dataclass(frozen=True, slots=True)
class Output:
    """A file of the result; `base` is the text that a comparison starts from, `base_name` what to call it."""

    name: str
    text: str
    base: str
    base_name: str

    @property
    def differs(self) -> bool:
        """Whether the result is another text than the base."""
        return self.text != self.base


@dataclass(frozen=True, slots=True)
class Migration:
    """What came out; nothing is written yet."""

    outputs: tuple[Output, ...]
    report: Report = field(default_factory=Report)

    @property
    def needed(self) -> bool:
        """Whether the files are of an older version."""
        return self.report.source == "1.0" or any(output.differs for output in self.outputs)


def migrate(documents: Sequence[Document], options: Options | None = None) -> Migration:
    """Migrate the files of one deployment.

    Raises:
        ConfigurationError: a file is of another version than said, a value cannot be understood, the
            character is unknown; file, line and key are named.
    """
    options = options or Options()
    sites = [site for document in documents for site in sites_of(document, _ROLES[options.source])]
    old = [site for site in sites if site.role in OLDEST]
    if old and len(old) < len(sites):
        newer = next(site for site in sites if site.role not in OLDEST)
        raise ConfigurationError(
            f"is a {newer.role} file of a later version than {old[0].document.name}, which is of 1.0: migrate them apart",
            file=newer.document.name,
        )
    if old:
        return _restructured(old, options)
    if options.target != "2.0":
        raise ConfigurationError("only files of 1.0 can become files of 1.2", file=sites[0].document.name)
    return _upgraded(documents, sites, options)


def _restructured(sites: Sequence[Site], options: Options) -> Migration:
    report = Report("1.0", options.target)
    work = Restructuring(report, to_2_0=options.target == "2.0", character=options.character)
    trees = _filled(work, sites)
    report.defaulted = work.defaulted(trees)
    texts = {file: yaml_text(tree) for file, tree in trees.items()}
    defaults = {
        file: yaml_text(tree) for file, tree in files_1_2(work.character, lasting=options.target == "2.0").items()
    }
    if options.target == "2.0":
        texts = {file: _onward(file, text, work, report) for file, text in texts.items()}
        defaults = {file: _onward(file, text, work, Report()) for file, text in defaults.items()}
    names = {file: _name(file, work.character) for file in texts}
    outputs = [
        Output(names[file], text, defaults[file], f"defaults of {options.target}") for file, text in texts.items()
    ]
    if options.target == "2.0":
        _examine(
            [(parse_document(output.text, output.name), file) for output, file in zip(outputs, texts, strict=True)],
            report,
        )
    return Migration(tuple(outputs), report)


def _filled(work: Restructuring, sites: Sequence[Site]) -> dict[File, Tree]:
    roles = Counter(site.role for site in sites)
    twice = next((role for role, count in roles.items() if count > 1), None)
    if twice or ("kubernetes" in roles and len(roles) > 1):
        kind = twice or "kubernetes"
        last = [site for site in sites if site.role == kind][-1]
        raise ConfigurationError(
            f"is a {kind} file of another deployment: migrate one deployment at a time", file=last.document.name
        )
    container = "kubernetes" not in roles
    sources = {
        site.role: Source(site.body, site.path, f"{site.document.name}:" if container else "", _around(site))
        for site in sites
    }
    if container:
        return work.container(sources.get("service"), sources.get("controller"))
    return work.kubernetes(sources["kubernetes"])


def _around(site: Site) -> tuple[tuple[str, Any], ...]:
    """What stands beside an embedded configuration in its file."""
    found: list[tuple[str, Any]] = []
    for depth, key in enumerate(site.prefix):
        section = site.document.section(site.prefix[:depth])
        found += ((shown((*site.prefix[:depth], name)), value) for name, value in section.items() if name != key)
    return tuple(found)


def _onward(file: File, text: str, work: Restructuring, report: Report) -> str:
    """The second step of 1.0 to 2.0; what it changes is reported under the names of 1.0."""
    document = parse_document(text, _name(file, work.character))
    second = Report()
    step = Step(document, Edits(document), second, character=work.character)
    UPGRADES[file](step)
    known = {one.path: index for index, one in enumerate(report.changed)}
    for change in second.changed:
        path, raw = work.origins.get((file, change.path), (change.path, change.old))
        if path in known:
            report.changed[known[path]] = Changed(path, raw, change.new)
        else:
            report.changed.append(Changed(path, raw, change.new))
    for code, message in second.warnings.items():
        report.warn(code, message)
    for old, new in second.moved.items():
        report.moved = {
            key: f"{file}:{new}" if value == f"{file}:{old}" else value for key, value in report.moved.items()
        }
        report.defaulted = [f"{file}:{new}" if path == f"{file}:{old}" else path for path in report.defaulted]
    gone = {f"{file}:{path}" for path, _ in second.removed}
    report.defaulted = [path for path in report.defaulted if path not in gone]
    report.defaulted += (
        f"{file}:{path}" for path in second.added if not any(new == path for new in second.moved.values())
    )
    return step.edits.result().text


def _upgraded(documents: Sequence[Document], sites: Sequence[Site], options: Options) -> Migration:
    for site in sites:
        _check_version(site, options.source)
    source = _version(sites, options.source)
    report = Report(source)
    files = Counter(site.file for site in sites)
    outputs: list[Output] = []
    results: list[tuple[Document, File]] = []
    for document in documents:
        own = [(site, _label(site, files)) for site in sites if site.document is document]
        changed = _edited(document, own, report, options) if source != "2.0" else document
        outputs.append(Output(document.name, changed.text, document.text, document.name))
        for site, label in own:
            part = changed.part(site.prefix) if site.inner is None else _text_at(changed, site)
            results.append((part, site.file))
            report.unknown += (
                (label + notice.key, part.get(tuple(notice.key.split("/")))) for notice in _unknown(part, site.file)
            )
    _examine(results, report)
    return Migration(tuple(outputs), report)


def _edited(document: Document, own: Sequence[tuple[Site, str]], report: Report, options: Options) -> Document:
    edits = Edits(document)
    for site, label in own:
        if site.version == "2.0":
            continue
        if site.inner is None:
            UPGRADES[site.file](Step(document, edits, report, site.prefix, label, options.character))
        else:
            step = Step(site.inner, Edits(site.inner), report, (), label, options.character)
            UPGRADES[site.file](step)
            edits.replace_block(site.prefix, step.edits.result().text)
    return edits.result()


def _check_version(site: Site, said: From) -> None:
    allowed = _MAY_HOLD.get(said)
    if allowed is not None and site.version is not None and site.version not in allowed:
        fault = f"is a {site.role} file of {site.version}, not of {said}"
        raise ConfigurationError(fault, file=site.document.name)


def _version(sites: Sequence[Site], said: From) -> Version:
    """The version of the whole: what is said, what the stylization says, what the others say."""
    if said in ("1.2", "1.3", "2.0"):
        return said
    found = [site.version for site in sites if site.version is not None]
    style = [site.version for site in sites if site.role == "stylization" and site.version is not None]
    if found and set(found) == {"2.0"}:
        return "2.0"
    older = [version for version in style or found if version != "2.0"]
    return max(older, default="1.2")


def _label(site: Site, files: Counter[File]) -> str:
    return f"{site.document.name}:" if files[site.file] > 1 else ""


def _text_at(document: Document, site: Site) -> Document:
    return parse_document(str(document.get(site.prefix)), f"{document.name}:{shown(site.prefix)}")


def _unknown(document: Document, file: File) -> list[Notice]:
    try:
        return notices_of(document, FILES[file])
    except ValueError:
        return []  # an invalid value is in the way; it is among the problems


def _examine(results: Sequence[tuple[Document, File]], report: Report) -> None:
    """Note what the service would say about the result."""
    for document, file in results:
        try:
            model_of(document, FILES[file])
        except ConfigurationError as error:
            report.problems += error.message.splitlines()


def _name(file: File, character: str) -> str:
    return f"{character}_stylization_config.yaml" if file == "stylization" else f"{file}_config.yaml"
