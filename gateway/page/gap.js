// What stands between two sentences.

// Chinese or Japanese writing or a full-width sign, before closing quotes, brackets and ellipses; the server's rule
// is the same (comps/core/language/sentences.py).
const CLOSED_UP = /[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\uff66-\uff9f\u3000-\u303f\uff00-\uff65]/;
const BEHIND_LAST_SIGN = /["'”’»›)\]}*_…⋯]+$/;

/** The character of `text` that decides on the gap after it: the last but for closing ones, if there is another. */
export const lastSign = (text) => text.replace(BEHIND_LAST_SIGN, "").slice(-1) || text.slice(-1);

/** The gap between a text with this last sign and the sentence after it: a blank, but none at the beginning or where the writing has none. */
export const gapAfter = (sign) => (!sign || CLOSED_UP.test(sign) ? "" : " ");
