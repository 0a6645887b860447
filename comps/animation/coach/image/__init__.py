"""The image half of the coach: what of a portrait can be measured, the rules on it, and what can be repaired."""
