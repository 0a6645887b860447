"""check_image: one picture against every rule on pictures."""

from __future__ import annotations

import cv2
import numpy as np

from comps.animation.coach.finding import Report
from comps.animation.coach.image import exposure, framing, rules, sharpness
from comps.animation.coach.image.header import USUAL_FORMATS, Header, read_header
from comps.animation.coach.image.notes import Notes
from comps.animation.coach.image.occlusion import mouth_clarity
from comps.animation.coach.image.reading import Reading, open_eyes, read_face
from comps.animation.coach.image.sighting import Sighting
from comps.animation.coach.image.subject import Subject, find_subject
from comps.animation.coach.image.view import FaceView, Picture
from comps.animation.engines.portrait.rig.mesh import FindMeshes
from comps.core.errors import AvatarError, TooLargeError
from comps.core.media.image import decode_image

MAX_PIXELS = 40_000_000
"""Most pixels of a picture that is looked at, unless the caller says otherwise."""


def check_image(data: bytes, *, max_pixels: int = MAX_PIXELS, find_meshes: FindMeshes | None = None) -> Report:
    """What the picture in `data` is good for. Blocks; may run on any thread; raises nothing on account of the picture.

    Values are of the picture turned upright by its EXIF orientation, in its own pixels; those of the face are of the
    largest one. A picture that cannot be read, or holds no face, is a report with an error.

    Args:
        data: a file, in any format.
        max_pixels: larger pictures are not decoded.
        find_meshes: finds landmarks; where it does, pose, mouth, eyes and smile are told by them, and `measured_by` says so.
            What it raises goes through.
    """
    notes = Notes()
    picture = _decoded(data, max_pixels, notes)
    if picture is not None:
        _judge_size(picture, notes)
        subject = find_subject(picture, find_meshes)
        if subject.view is None:
            _judge_faceless(picture, subject.sighting, notes)
        else:
            _judge_faces(subject.sighting, notes)
            _judge_face(subject, notes)
    return notes.report()


def _decoded(data: bytes, max_pixels: int, notes: Notes) -> Picture | None:
    """The picture, or None with the reason noted."""
    header = read_header(data)
    if header is not None:
        _judge_header(header, notes)
    try:
        return decode_image(data, max_pixels=max_pixels)
    except TooLargeError as error:
        pixels = header.width * header.height if header is not None else "unknown"
        notes.find(rules.TOO_MANY_PIXELS, pixels, error.message)
    except AvatarError as error:
        notes.find(rules.UNREADABLE, error.message, error.message)
    return None


def _judge_header(header: Header, notes: Notes) -> None:
    notes.measured["format"] = header.format
    if header.format not in USUAL_FORMATS or (header.animated and header.format != "MPO"):
        kind = "an animation" if header.animated else header.format
        notes.find(rules.FORMAT, header.format, f"the picture is {kind}, not a JPEG, PNG or WebP still")
    if header.quality is not None:
        notes.measured["jpeg_quality"] = header.quality
        notes.judge(rules.COMPRESSED, header.quality, f"the JPEG was saved with quality {header.quality}")


def _judge_size(picture: Picture, notes: Notes) -> None:
    height, width = picture.shape[:2]
    notes.measured |= {"width": width, "height": height}
    notes.judge_both(rules.TOO_SMALL, rules.SMALL, min(width, height), f"the picture is {width} x {height} pixels")


def _judge_faceless(picture: Picture, sighting: Sighting, notes: Notes) -> None:
    notes.measured["faces"] = 0
    if sighting.eyeless:
        notes.find(rules.EYES_HIDDEN, 0, "there is a face, but its eyes cannot be found")
    elif sighting.profile:
        notes.find(rules.FACE_PROFILE, "seen from the side", "a face is seen from the side only")
    else:
        notes.find(rules.FACE_MISSING, 0, "no face was found")
    # A face that is lost in the dark or the light cannot be measured; the picture can.
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32)
    _judge_light(grey, "picture", notes)


def _judge_faces(sighting: Sighting, notes: Notes) -> None:
    faces = sighting.faces
    notes.measured["faces"] = len(faces)
    if len(faces) > 1:
        ratio = notes.keep("face_ratio", faces[0].eye_distance / faces[1].eye_distance, 2)
        notes.judge_both(
            rules.FACES_ALIKE,
            rules.FACES_MANY,
            ratio,
            f"there are {len(faces)} faces; the largest is {ratio:.1f} times as large as the next",
        )


def _judge_face(subject: Subject, notes: Notes) -> None:
    view = subject.view
    assert view is not None
    reading = read_face(view)
    notes.measured["measured_by"] = reading.measured_by
    _judge_framing(view, notes)
    _judge_light(view.luma[view.area], "face", notes)
    _judge_detail(view, notes)
    _judge_lean(reading, notes)
    seen = open_eyes(view)
    notes.measured["eyes_open"] = seen
    notes.judge(rules.EYES_UNCLEAR, seen, f"{('none', 'one', 'two')[seen]} of the eyes can be recognised as open")
    if seen or view.mesh is not None:
        # Without eyes the face was fitted to something else: nothing that hangs on its shape is worth telling.
        _judge_shape(view, reading, notes)


def _judge_framing(view: FaceView, notes: Notes) -> None:
    apart = notes.keep("eye_distance", view.face.eye_distance)
    notes.judge_both(rules.FACE_TINY, rules.FACE_SMALL, apart, f"the eyes are {apart:.0f} pixels apart")
    share = notes.keep("face_share", framing.face_share(view))
    notes.judge(rules.FACE_FAR, share, f"the face is small in its picture: the eyes are {share:.1f} % of it apart")
    room = notes.keep("face_room", framing.room(view), 2)
    notes.judge(rules.FACE_CUT, room, f"the picture ends {-room:.2f} eye distances inside the face")


def _judge_light(levels: exposure.Levels, what: str, notes: Notes) -> None:
    mean = notes.keep("luminance", exposure.luminance(levels))
    notes.judge(rules.FACE_DARK, mean, f"the {what} is dark: its mean brightness is {mean:.0f} of 255")
    notes.judge(rules.FACE_BRIGHT, mean, f"the {what} is too bright: its mean brightness is {mean:.0f} of 255")
    share = notes.keep("clipped", exposure.clipped(levels))
    notes.judge(rules.FACE_CLIPPED, share, f"{share:.0f} % of the {what} is plain black or white")
    contrast = notes.keep("contrast", exposure.contrast(levels))
    # What is dark has little contrast of its own: one fault, told once.
    if rules.FACE_DARK.passes(mean) and rules.FACE_BRIGHT.passes(mean):
        notes.judge(rules.FACE_FLAT, contrast, f"the {what} spans only {contrast:.0f} levels of brightness")


def _judge_detail(view: FaceView, notes: Notes) -> None:
    blur = notes.keep("blur", sharpness.edge_width(view), 2)
    notes.judge(rules.FACE_BLURRED, blur, f"the face is blurred: its edges are {blur:.1f} pixels soft")
    blocks = notes.keep("blockiness", sharpness.blockiness(view), 2)
    quality = notes.measured.get("jpeg_quality", 100)
    if isinstance(quality, int) and rules.COMPRESSED.passes(quality):
        notes.judge(
            rules.BLOCKY, blocks, f"squares of hard compression show: their borders stand out {blocks:.1f} times"
        )


def _judge_lean(reading: Reading, notes: Notes) -> None:
    roll = notes.keep("roll", reading.pose.roll)
    notes.judge_both(rules.FACE_SIDEWAYS, rules.FACE_LEANING, abs(roll), f"the head leans by {roll:.0f} degrees")


def _judge_shape(view: FaceView, reading: Reading, notes: Notes) -> None:
    yaw, pitch = notes.keep("yaw", reading.pose.yaw), notes.keep("pitch", reading.pose.pitch)
    notes.judge(rules.FACE_TURNED, abs(yaw), f"the head is turned by about {abs(yaw):.0f} degrees")
    notes.judge(
        rules.FACE_NODDING, pitch, f"the head looks {'down' if pitch > 0 else 'up'} by about {abs(pitch):.0f} degrees"
    )
    ratio = notes.keep("shadow_ratio", exposure.shadow(view), 2)
    notes.judge(rules.FACE_SHADOW, ratio, f"one side of the face is {ratio:.1f} times as bright as the other")
    _judge_mouth(view, reading, notes)


def _judge_mouth(view: FaceView, reading: Reading, notes: Notes) -> None:
    gap = notes.keep("mouth_open", reading.mouth_open, 3)
    shut = notes.judge(rules.MOUTH_OPEN, gap, f"the mouth is open by {100 * gap:.0f} % of the face's height")
    notes.keep("mouth_curve", reading.mouth_curve, 3)
    if reading.smile is not None and reading.frown is not None:
        smile = notes.keep("smile", reading.smile, 2)
        notes.judge(rules.FACE_SMILING, smile, "the face smiles broadly")
        notes.keep("frown", reading.frown, 2)
    clarity = notes.keep("mouth_clarity", mouth_clarity(view), 2)
    # Landmarks tell the other reasons why no line shows between the lips: the mouth is open, or the head turned away.
    if view.mesh is None or (shut and rules.FACE_TURNED.passes(abs(reading.pose.yaw))):
        notes.judge(rules.MOUTH_HIDDEN, clarity, "no mouth shows where it must be")
