"""The parts of the PocketSphinx engine: finding speech, preparing it, decoding it."""
