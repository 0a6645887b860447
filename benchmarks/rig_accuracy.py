"""How near the rig finder comes to MediaPipe's landmarks: errors per part of the face, in eye distances.

    python benchmarks/rig_accuracy.py PICTURE... --reference landmarks.npz
    python benchmarks/rig_accuracy.py PICTURE... --landmarker face_landmarker.task --reference landmarks.npz --write

The second form needs the extra ``mediapipe``; it writes the landmarks of every picture and of its variants (mirrored, at
half size, darkened, leaning by 12 degrees to either side). The first form compares, and may run without MediaPipe.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from comps.animation.engines.portrait.rig.find import find_rig
from comps.animation.engines.portrait.rig.rig import GROUPS, Rig
from comps.core.errors import FaceError

Picture = NDArray[np.uint8]


def variants(picture: Picture) -> Iterator[tuple[str, Picture]]:
    height, width = picture.shape[:2]
    yield "as it is", picture
    yield "mirrored", np.ascontiguousarray(picture[:, ::-1])
    yield "half size", cv2.resize(picture, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    yield "darkened", ((picture / 255.0) ** 1.6 * 200).astype(np.uint8)
    for degrees in (-12, 12):
        matrix = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1.0)
        turned = cv2.warpAffine(picture, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE)
        yield f"leaning {degrees}", turned


def cases(paths: list[Path]) -> Iterator[tuple[str, Picture]]:
    for path in paths:
        picture = cv2.imread(str(path))
        if picture is None:
            raise SystemExit(f"{path} is no picture")
        for name, variant in variants(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)):
            yield f"{path.stem}, {name}", variant


def write_reference(paths: list[Path], landmarker: Path, out: Path) -> None:
    from comps.animation.engines.portrait.rig.landmarker import MediaPipeFinder

    finder = MediaPipeFinder(landmarker)
    np.savez(out, **{name: np.array(finder.find(picture).to_json()) for name, picture in cases(paths)})


def errors(rig: Rig, truth: Rig) -> dict[str, float]:
    unit = float(np.linalg.norm(truth.irises[1, :2] - truth.irises[0, :2]))
    row = {name: float(np.linalg.norm(rig.group(name) - truth.group(name), axis=1).mean()) / unit for name in GROUPS}
    across = (truth.irises[1, :2] - truth.irises[0, :2]) / unit
    line = rig.points[[62, 66]].mean(0) - truth.points[[62, 66]].mean(0)
    row["mouth line"] = abs(float(line @ np.array([-across[1], across[0]]))) / unit
    row["mouth corners"] = float(np.linalg.norm(rig.points[[48, 54]] - truth.points[[48, 54]], axis=1).mean()) / unit
    row["irises"] = float(np.linalg.norm(rig.irises[:, :2] - truth.irises[:, :2], axis=1).mean()) / unit
    row["iris radius"] = float(np.abs(rig.irises[:, 2] - truth.irises[:, 2]).mean()) / unit
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", nargs="+", type=Path)
    parser.add_argument("--reference", type=Path, required=True)
    parser.add_argument("--landmarker", type=Path)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    if arguments.write:
        write_reference(arguments.pictures, arguments.landmarker, arguments.reference)
        return
    reference = np.load(arguments.reference)
    rows, seconds, missed = [], [], []
    for name, picture in cases(arguments.pictures):
        begun = time.process_time()
        try:
            rig = find_rig(picture)
        except FaceError as error:
            missed.append(f"{name}: {error.message}")
            continue
        seconds.append(time.process_time() - begun)
        rows.append(errors(rig, Rig.from_json(str(reference[name]))))
    report(rows, seconds, missed, as_json=arguments.json)


def report(rows: list[dict[str, float]], seconds: list[float], missed: list[str], as_json: bool) -> None:
    table = {key: np.percentile([row[key] for row in rows], [50, 75, 90]).round(4).tolist() for key in rows[0]}
    cpu_ms = (np.percentile(seconds, [50, 100]) * 1e3).round().tolist()
    if as_json:
        print(json.dumps({"pictures": len(rows), "missed": missed, "errors": table, "cpu_ms": cpu_ms}))
        return
    print(f"{len(rows)} pictures, {len(missed)} missed; errors in % of the eye distance")
    print(f"{'part':16s}{'median':>8s}{'p75':>8s}{'p90':>8s}")
    for key, values in table.items():
        print(f"{key:16s}" + "".join(f"{value * 100:8.1f}" for value in values))
    print(f"processor time per picture: median {cpu_ms[0]:.0f} ms, most {cpu_ms[1]:.0f} ms")
    print("\n".join(missed))


if __name__ == "__main__":
    main()
