"""What is shown behind a portrait: its own background, the same out of focus, a wall, or a studio."""
