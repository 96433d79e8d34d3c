"""Payloads as survey platforms send them: the documented shapes with values of our own."""

from pathlib import Path
from typing import Any

from schemas.codec import loads

FOLDER = Path(__file__).parent
NAMES = tuple(sorted(path.stem for path in FOLDER.glob("*.json")))


def raw(name: str) -> bytes:
    """A payload as it travels."""
    return (FOLDER / f"{name}.json").read_bytes()


def payload(name: str) -> Any:
    """A payload, parsed anew, so that a test may change it."""
    return loads(raw(name))
