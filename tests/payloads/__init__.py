"""Payloads as survey platforms send them: the documented shapes with values of our own. JSON, and form-encoded bodies."""

from pathlib import Path
from typing import Any

from schemas.codec import loads
from schemas.forms import loads_form

FOLDER = Path(__file__).parent
NAMES = tuple(sorted(path.stem for path in FOLDER.glob("*.json")))
FORMS = tuple(sorted(path.stem for path in FOLDER.glob("*.form")))


def raw(name: str) -> bytes:
    """A payload as it travels."""
    return (FOLDER / f"{name}.json").read_bytes()


def payload(name: str) -> Any:
    """A payload, parsed anew, so that a test may change it."""
    return loads(raw(name))


def raw_form(name: str) -> bytes:
    """A form-encoded payload as it travels, and the end of a line."""
    return (FOLDER / f"{name}.form").read_bytes()


def form(name: str) -> Any:
    """What a form-encoded payload stands for, parsed anew."""
    return loads_form(raw_form(name))
