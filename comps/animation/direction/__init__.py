"""What a prompt asks of an engine that has no text encoder: a mood, a manner of moving and a backdrop."""
