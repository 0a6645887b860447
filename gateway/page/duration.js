// Lengths of time as people read them.

/** Seconds for people: milliseconds below one second. */
export function formatSeconds(seconds) {
  return seconds < 1 ? `${Math.round(seconds * 1000)} ms` : `${seconds.toFixed(1)} s`;
}
