// Where the face is in the picture of an avatar, so that a crop keeps it in sight.

import { getJson } from "./api.js";

const NEARLY_SQUARE = 0.8; // shorter side over longer; no crop of these loses the face
const LEVEL = 0.42; // height of the eyes in a cropped view, as a share of it

/** Where a picture is. */
export const pictureOf = (avatar) => `v1/avatars/${avatar.id}/image`;

/** The point between the eyes as shares of width and height of a long picture; null where any crop will do. */
export async function faceOf(avatar) {
  const ratio = avatar.width / avatar.height;
  if (avatar.builtin || Math.min(ratio, 1 / ratio) > NEARLY_SQUARE) return null;
  try {
    const { size, points } = await getJson(`v1/avatars/${avatar.id}/rig`);
    const eyes = [...points.right_eye, ...points.left_eye];
    return size.map((side, axis) => eyes.reduce((sum, point) => sum + point[axis], 0) / eyes.length / side);
  } catch {
    return null; // a picture without points is shown as any other
  }
}

/** The `object-position` that brings `face` to the middle of a covering crop, a little above half its height. */
export function aimAt(face, picture, box) {
  const scale = Math.max(box[0] / picture[0], box[1] / picture[1]);
  const place = (axis, level) => {
    const shown = picture[axis] * scale;
    const spare = box[axis] - shown;
    if (spare >= 0) return 50;
    return 100 * Math.min(1, Math.max(0, (level * box[axis] - face[axis] * shown) / spare));
  };
  return `${place(0, 0.5)}% ${place(1, LEVEL)}%`;
}
