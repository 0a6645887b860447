// What stands between two sentences.

// Chinese or Japanese writing or a full-width sign, before closing quotes, brackets and ellipses; the server's rule
// is the same (comps/core/language/sentences.py).
const CLOSED_UP = /[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\uff66-\uff9f\u3000-\u303f\uff00-\uff65]["'”’»›)\]}*_…⋯]*$/;

/** The gap between `text` and the sentence after it: a blank, but none at the beginning or where the writing has none. */
export const gapAfter = (text) => (!text || CLOSED_UP.test(text) ? "" : " ");
