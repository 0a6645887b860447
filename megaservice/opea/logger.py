"""OPEA's logger class: a logger by name with the levels as methods."""

from __future__ import annotations

import logging
from typing import Any

TRAIN, EVAL = 21, 22


class CustomLogger:
    """Logs under `name` by the standard library, whose configuration decides where the lines go."""

    def __init__(self, name: str | None = None) -> None:
        self.logger = logging.getLogger(name or "comps")

    def debug(self, msg: object) -> None:
        """Log at DEBUG."""
        self.logger.debug(msg)

    def info(self, msg: object) -> None:
        """Log at INFO."""
        self.logger.info(msg)

    def train(self, msg: object) -> None:
        """Log just above INFO, under the level number OPEA gives to training."""
        self.logger.log(TRAIN, msg)

    def eval(self, msg: object) -> None:
        """Log just above INFO, under the level number OPEA gives to evaluation."""
        self.logger.log(EVAL, msg)

    def warning(self, msg: object) -> None:
        """Log at WARNING."""
        self.logger.warning(msg)

    def error(self, msg: object) -> None:
        """Log at ERROR."""
        self.logger.error(msg)

    def critical(self, msg: object) -> None:
        """Log at CRITICAL."""
        self.logger.critical(msg)

    def exception(self, msg: object, **options: Any) -> None:
        """Log at ERROR with the traceback of the exception being handled."""
        self.logger.exception(msg, **options)

    def log_message(self, log_level: int, msg: object) -> None:
        """Log at a numeric level."""
        self.logger.log(log_level, msg)
