"""Reading: what the face itself does, by its landmarks where there are any, else by what this project sees of it."""

from __future__ import annotations

from dataclasses import dataclass

from comps.animation.coach.image import mesh_reading, occlusion
from comps.animation.coach.image.expression import mouth_curve, mouth_open
from comps.animation.coach.image.mesh_pose import mesh_pose
from comps.animation.coach.image.pose import HeadPose, head_pose
from comps.animation.coach.image.view import FaceView
from comps.animation.engines.portrait.rig.mesh import FaceMesh

LANDMARKS, EMBEDDED = "landmarks", "embedded"
"""Who measured: MediaPipe's landmarks, or the checks that need nothing beyond the base install."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What one face does; `measured_by` is `LANDMARKS` or `EMBEDDED`.

    Args:
        pose: of the head.
        mouth_open: height of the opening over the height of the face; by landmarks teeth belong to it.
        mouth_curve: how much higher the corners of the mouth lie than its middle, in eye distances.
        smile: 0 to 1; None where it cannot be told.
        frown: the same of corners drawn down.
        measured_by: who told this.
    """

    pose: HeadPose
    mouth_open: float
    mouth_curve: float
    smile: float | None
    frown: float | None
    measured_by: str


def read_face(view: FaceView) -> Reading:
    """What the face in `view` does."""
    if view.mesh is not None:
        return _by_landmarks(view, view.mesh)
    return Reading(head_pose(view), mouth_open(view), mouth_curve(view), None, None, EMBEDDED)


def _by_landmarks(view: FaceView, mesh: FaceMesh) -> Reading:
    pose = mesh_pose(mesh)
    return Reading(
        pose.head,
        mesh_reading.lip_gap(mesh, pose.unit),
        mesh_reading.lip_curve(mesh, view.canvas, pose.unit),
        mesh_reading.smile(mesh),
        mesh_reading.frown(mesh),
        LANDMARKS,
    )


def open_eyes(view: FaceView) -> int:
    """How many of the two eyes are seen open."""
    if view.mesh is not None:
        return mesh_reading.open_eyes(view.mesh, view.canvas)
    return occlusion.eyes_seen(view)
