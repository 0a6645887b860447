"""Each rule of a picture: kept by a good one, broken by one that was spoilt; and the table people read."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from comps.animation.coach.finding import Report, Severity
from comps.animation.coach.image.check import check_image
from comps.animation.coach.image.rules import IMAGE_RULES
from tests.animation.coach import plants
from tests.animation.coach.plants import jpeg, png, presenter

DOCUMENT = Path(__file__).parents[3] / "docs" / "coach.md"
ADA, RIG = presenter("ada")
NOOR, OTHER_RIG = presenter("noor")
UNIT = RIG.eye_distance


def reduced(side: int) -> bytes:
    return png(plants.scaled(ADA, side))


def saved(kind: str) -> bytes:
    file = BytesIO()
    Image.fromarray(ADA).save(file, kind)
    return file.getvalue()


def bomb() -> bytes:
    """A PNG that says it is 50,000 pixels square, and holds nothing."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    size = struct.pack(">IIBBBBB", 50_000, 50_000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size) + chunk(b"IDAT", zlib.compress(b"\0" * 99)) + chunk(b"IEND", b"")


def beside(share: float) -> bytes:
    """Ada, and Noor `share` as large as she is."""
    side = round(max(NOOR.shape) * share * UNIT / OTHER_RIG.eye_distance)
    return png(plants.beside(ADA, plants.scaled(NOOR, side)))


BROKEN: dict[str, Callable[[], bytes]] = {
    "image_unreadable": lambda: png(ADA)[:40_000],
    "image_too_many_pixels": bomb,
    "image_format": lambda: saved("BMP"),
    "image_too_small": lambda: reduced(240),
    "image_small": lambda: reduced(480),
    "image_compressed": lambda: jpeg(ADA, 20),
    "image_blocky": lambda: png(plants.recoded(ADA, 8)),
    "face_missing": lambda: png(np.tile(ADA[:64, :64], (10, 10, 1))),
    "face_tiny": lambda: png(plants.scaled(ADA, 112)),
    "face_small": lambda: png(plants.distant(ADA, 38 / UNIT)),
    "face_far": lambda: png(plants.distant(ADA, 0.4)),
    "face_cut": lambda: png(plants.cut_below(ADA, RIG)),
    "faces_alike": lambda: beside(1.0),
    "faces_many": lambda: beside(1 / 2.75),
    "face_dark": lambda: png(plants.gain(ADA, 0.22)),
    "face_bright": lambda: png(plants.gain(ADA, 1.5)),
    "face_clipped": lambda: png(plants.gain(ADA, 1.9)),
    "face_flat": lambda: png(plants.flat(ADA, 0.2)),
    "face_shadow": lambda: png(plants.shaded(ADA, RIG, 0.45)),
    "face_blurred": lambda: png(plants.blurred(ADA, 0.035 * UNIT)),
    "face_sideways": lambda: png(np.ascontiguousarray(np.rot90(ADA))),
    "face_leaning": lambda: png(plants.turned(ADA, 24)),
    "face_turned": lambda: png(plants.looking(ADA, RIG, -40)),
    "face_nodding": lambda: png(plants.looking(ADA, RIG, pitch=-36)),
    "eyes_unclear": lambda: png(plants.acted(ADA, RIG, eyeBlink=1.0)),
    "mouth_open": lambda: png(plants.acted(ADA, RIG, jawOpen=1.0)),
    "mouth_hidden": lambda: png(plants.masked(ADA, RIG)),
}


@pytest.fixture(scope="module")
def good() -> Report:
    return check_image(png(ADA))


@pytest.mark.parametrize("code", sorted(BROKEN))
def test_a_spoilt_picture_breaks_the_rule(code: str, good: Report) -> None:
    report = check_image(BROKEN[code]())
    assert code in report.codes()
    assert code not in good.codes()
    finding = next(finding for finding in report.findings if finding.rule.code == code)
    assert finding.message
    assert finding.rule.advice
    if isinstance(finding.measured, int | float) and finding.rule.bounds():
        assert not finding.rule.passes(finding.measured)


def test_good_pictures_break_no_rule(good: Report) -> None:
    assert good.findings == ()
    assert check_image(png(NOOR)).findings == ()
    assert check_image(jpeg(ADA, 85)).findings == ()


def test_findings_come_worst_first() -> None:
    report = check_image(png(plants.gain(np.ascontiguousarray(np.rot90(plants.distant(ADA, 0.4))), 0.2)))
    order = [finding.rule.severity for finding in report.findings]
    assert order == sorted(order, key=[Severity.ERROR, Severity.WARNING, Severity.HINT].index)
    assert order[0] is Severity.ERROR
    assert order[-1] is not Severity.ERROR
    assert not report.usable


def test_codes_are_unique_and_each_has_a_test() -> None:
    codes = [rule.code for rule in IMAGE_RULES]
    assert len(codes) == len(set(codes))
    # a face without findable eyes, and a profile, are looked for in test_image_sighting.py, smiles in test_image_landmarks.py
    assert set(codes) - set(BROKEN) == {"eyes_hidden", "face_profile", "face_smiling"}


def test_the_table_people_read_is_the_table_that_is_used() -> None:
    section = DOCUMENT.read_text(encoding="utf-8").split("\n## Image\n")[1].split("\n## ")[0]
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in section.splitlines() if line.startswith("| `")]
    assert rows == [
        [f"`{rule.code}`", rule.severity.value, rule.measure, rule.bounds() or "–", rule.advice, rule.fix or "–"]
        for rule in IMAGE_RULES
    ]


@pytest.mark.parametrize("size", [(9000, 3), (3000, 1), (1, 3000), (1, 1)])
def test_a_picture_thin_as_a_line_has_no_face(size: tuple[int, int]) -> None:
    file = BytesIO()
    Image.new("RGB", size, (200, 150, 120)).save(file, "PNG")
    codes = {finding.rule.code for finding in check_image(file.getvalue()).findings}
    assert {"image_too_small", "face_missing"} <= codes
