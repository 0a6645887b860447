#!/bin/sh
# Fetch the weights this container needs into its volume (once, checked by sha256), then become the service.
set -eu
if [ -n "${AVATAR_WEIGHTS:-}" ]; then
  # shellcheck disable=SC2086  # names are separated by spaces
  python -m comps.core.weights "${AVATAR_WEIGHTS_DIR:-/weights}" $AVATAR_WEIGHTS
fi
exec "$@"
