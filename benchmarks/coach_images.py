"""Faults planted in portraits, and what the coach finds: which are missed, which good pictures are called bad.

    python -m benchmarks.coach_images [FOLDER] [--landmarker face_landmarker.task] [--save FOLDER] [--all]

Runs over the shipped presenters and the pictures of FOLDER. A portrait that breaks a rule by itself, as a head that is
turned away does, is measured, but its clean versions count as clean only for the other rules. With a landmarker, which
needs the extra ``mediapipe``, the coach sees faces by their landmarks, and the degrees of planted nods are values too, as those of turns always are.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from comps.animation.coach.finding import Report, Severity
from comps.animation.coach.image.check import check_image
from comps.animation.engines.portrait.rig.find import find_rig
from comps.animation.engines.portrait.rig.finder import LazyMeshes
from comps.animation.engines.portrait.rig.mesh import FindMeshes
from comps.animation.engines.portrait.rig.rig import Rig
from tests.animation.coach.labelled import Case, cases
from tests.animation.coach.plants import Picture, png, presenter

TOLERANCE = {"roll": 3.0, "yaw": 3.0, "pitch": 3.0, "contrast": 1.5}
"""Largest difference from a planted value in its own unit (contrast: what rounding to 8 bits does); else 1 % of it."""


def portraits(folder: Path | None) -> Iterator[tuple[str, Picture, Rig]]:
    for name in ("ada", "noor"):
        yield (name, *presenter(name))
    for path in sorted(folder.iterdir()) if folder else ():
        picture = cv2.imread(str(path))
        if picture is not None:
            rgb = cv2.cvtColor(picture, cv2.COLOR_BGR2RGB).astype(np.uint8)
            yield path.stem, rgb, find_rig(rgb)


def serious(report: Report) -> set[str]:
    return {finding.rule.code for finding in report.findings if finding.rule.severity is not Severity.HINT}


def numbers(report: Report) -> dict[str, float]:
    return {name: float(value) for name, value in report.measured.items() if not isinstance(value, str)}


def differences(case: Case, report: Report) -> list[str]:
    found, wrong = numbers(report), []
    for name, planted in case.values.items():
        value = found.get(name, float("nan"))
        off = abs(value - planted)
        if name == "roll":
            off = min(off, abs(360 - off))
        if not off <= TOLERANCE.get(name, max(0.01 * abs(planted), 0.011)):
            wrong.append(f"{name} {value:g} instead of {planted:g}")
    return wrong


class Tally:
    """Counts over all portraits."""

    def __init__(self, find_meshes: FindMeshes | None) -> None:
        self.find_meshes = find_meshes
        self.planted = self.missed = self.clean = self.alarms = self.values = self.off = 0
        self.seconds: list[float] = []

    def add(self, name: str, case: Case, known: set[str], show_all: bool) -> None:
        data = case.make()
        begun = time.process_time()
        report = check_image(data, find_meshes=self.find_meshes)
        self.seconds.append(time.process_time() - begun)
        codes, wrong = serious(report), differences(case, report)
        self.values += len(case.values)
        self.off += len(wrong)
        if case.expected:
            self.planted += 1
            bad = not case.expected & report.codes()
            self.missed += bad
        else:
            self.clean += 1
            bad = bool(codes - known)
            self.alarms += bad
        if bad or wrong or show_all:
            mark = "MISSED" if bad and case.expected else "ALARM" if bad else "value" if wrong else ""
            print(f"{name:16s}{case.name:20s}{mark:8s}{', '.join(sorted(report.codes())):44s} {'; '.join(wrong)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--landmarker", type=Path)
    parser.add_argument("--save", type=Path, help="write every picture there")
    parser.add_argument("--all", action="store_true", help="show every case, not only the wrong ones")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    find_meshes = LazyMeshes(arguments.landmarker) if arguments.landmarker else None
    tally, known = Tally(find_meshes), list(portraits(arguments.folder))
    print(f"{'portrait':16s}{'planted':20s}{'':8s}{'found':44s} values that are off")
    for index, (name, picture, rig) in enumerate(known):
        base = check_image(png(picture), find_meshes=find_meshes)
        for case in cases(picture, rig, known[index - 1][1:], numbers(base)):
            tally.add(name, case, serious(base), arguments.all)
            if arguments.save:
                arguments.save.mkdir(parents=True, exist_ok=True)
                suffix = "jpg" if case.make().startswith(b"\xff\xd8") else "png"
                (arguments.save / f"{name} {case.name}.{suffix}").write_bytes(case.make())
        if serious(base):
            print(f"{name:16s}{'(as it is)':20s}{'':8s}{', '.join(sorted(serious(base)))}")
    if find_meshes is not None:
        find_meshes.close()
    ms = np.percentile(tally.seconds, [50, 95, 100]) * 1e3
    print(f"\nplanted {tally.planted}, missed {tally.missed}; clean {tally.clean}, false alarms {tally.alarms}")
    print(f"planted values {tally.values}, off by more than 1 % or 3 degrees {tally.off}")
    print(f"processor time of a check: median {ms[0]:.0f} ms, 95th percentile {ms[1]:.0f} ms, most {ms[2]:.0f} ms")


if __name__ == "__main__":
    main()
