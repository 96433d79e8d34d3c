"""Where settings come from: flags, environment, a TOML file, defaults, in this order. Knows no setting by name."""

import difflib
import tomllib
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, Field, field, fields
from enum import Enum
from pathlib import Path
from typing import Any

from npstream.failures import UserError

PREFIX = "NPSTREAM_"
CONFIG_VARIABLE = "NPSTREAM_CONFIG"
"""Names the TOML file; not a setting itself."""
BY_VARIABLE = "NPSTREAM_BY"
"""Who sends commands about cases: of a person, and so no setting of a deployment."""
TEST_PREFIX = "NPSTREAM_TEST_"
"""Variables of the test suite, which may run our commands: no settings, and no mistakes."""
NO_SETTINGS = (CONFIG_VARIABLE, BY_VARIABLE)
"""Variables of ours that are none."""
DEFAULT_FILE = "npstream.toml"
"""Read from the working folder if nothing else is named and it is there."""
TRUE, FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0")
"""How a yes or no may be spelt in a flag or in the environment."""


class SettingsError(UserError):
    """Settings that cannot be used: each line of the message is one of them, with its source and what to change."""


class Source(Enum):
    """Where a value came from; the first of these that has one wins."""

    FLAG = "flag"
    ENVIRONMENT = "environment"
    FILE = "file"
    DEFAULT = "default"


def setting(
    default: Any,
    help: str,
    *,
    secret: bool = False,
    least: float | None = None,
    most: float | None = None,
    choices: tuple[str, ...] = (),
    group: str = "",
) -> Any:
    """One field of the settings: its default, the reason of it in `help`, and which values are allowed."""
    facts = {"help": help, "secret": secret, "least": least, "most": most, "choices": choices, "group": group}
    return field(default=default, repr=not secret, metadata=facts)


def declared(settings: type) -> dict[str, Field[Any]]:
    """The settings of a class by name, in their order."""
    return {f.name: f for f in fields(settings) if "help" in f.metadata}


def gather(
    settings: type, flags: Mapping[str, Any], environ: Mapping[str, str], file: Path | None
) -> tuple[dict[str, Any], dict[str, Source]]:
    """Values by name (defaults left out) and their sources. Raises SettingsError with all that is wrong, a line each."""
    known = declared(settings)
    problems: list[str] = []
    values: dict[str, Any] = {}
    sources: dict[str, Source] = {}
    from_environment = {name: text for name, text in environ.items() if name.startswith(PREFIX)}
    layers: list[tuple[Source, str, Mapping[str, Any], Callable[[str], str], Callable[[str], str]]] = [
        (Source.FILE, "is no setting", _read(file) if file else {}, str, lambda name: f"{name} in {file}"),
        (
            Source.ENVIRONMENT,
            "names no setting",
            {n: v for n, v in from_environment.items() if n not in NO_SETTINGS and not n.startswith(TEST_PREFIX)},
            lambda variable: variable.removeprefix(PREFIX).lower(),
            str,
        ),
        (Source.FLAG, "is no setting", flags, str, str),
    ]
    for source, complaint, given, to_name, label in layers:
        for written, value in given.items():
            name = to_name(written)
            if name not in known:
                spelling = (lambda n: PREFIX + n.upper()) if source is Source.ENVIRONMENT else str
                problems.append(f"{label(written)} {complaint}{nearest(name, known, spelling)}")
                continue
            try:
                values[name] = parse(known[name], value)
            except ValueError as error:
                problems.append(f"{label(written)} {error}")
            sources[name] = source
    if problems:
        raise SettingsError("\n".join(problems))
    return values, sources


def nearest(name: str, known: Iterable[str], spelling: Callable[[str], str] = str) -> str:
    """The end of a complaint about an unknown name: what was probably meant."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f"; did you mean {spelling(close[0])}?" if close else "; npstream settings lists them"


def _read(file: Path) -> dict[str, Any]:
    try:
        with file.open("rb") as stream:
            return tomllib.load(stream)
    except OSError as error:
        raise SettingsError(
            f"cannot read the settings file {file}: {error.strerror}; check --config or {CONFIG_VARIABLE}"
        ) from error
    except (ValueError, RecursionError) as error:  # tomllib limits neither digits nor nesting itself
        raise SettingsError(f"the settings file {file} is no TOML: {error}") from error


def parse(target: Field[Any], value: Any) -> Any:
    """A value as the field's type. Text comes from flags and the environment, other types from TOML.

    Raises ValueError, whose message goes on from the setting's name and never shows a secret.
    """
    facts = target.metadata
    kind, optional = _kind(target.type)
    if optional and value in ("", None):
        return None
    shown = "that value" if facts["secret"] else repr(value)
    if typing.get_origin(kind) is tuple:
        item = typing.get_args(kind)[0]
        parts = [part.strip() for part in value.split(",")] if isinstance(value, str) else value
        if not isinstance(parts, list | tuple) or parts in ([], [""]):
            raise ValueError(f"is {shown}: it must be {_NAMES[kind]}")
        result: Any = tuple(_scalar(item, part, shown, _NAMES[kind]) for part in parts)
    else:
        result = _scalar(kind, value, shown, _NAMES[kind])
    for one in result if isinstance(result, tuple) else (result,):
        _allowed(one, facts, shown)
    return result


def as_text(value: Any) -> str:
    """A value as it would be written in a flag or in the environment: `parse` makes the same value of it."""
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case tuple():
            return ",".join(map(str, value))
        case float():
            return str(int(value)) if value.is_integer() else str(value)
        case _:
            return str(value)


_NAMES: dict[Any, str] = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "text",
    tuple[int, ...]: "whole numbers, with commas between them",
    tuple[str, ...]: "names, with commas between them",
}


def _kind(annotation: Any) -> tuple[Any, bool]:
    """The type without `| None`, and whether it had that."""
    if isinstance(annotation, types.UnionType):
        (kind,) = (part for part in typing.get_args(annotation) if part is not types.NoneType)
        return kind, True
    return annotation, False


def type_name(target: Field[Any]) -> str:
    """A field's type in words."""
    kind, optional = _kind(target.type)
    return _NAMES[kind] + (" or empty" if optional else "")


def _scalar(kind: Any, value: Any, shown: str, expected: str) -> Any:
    wrong = ValueError(f"is {shown}: it must be {expected}")
    if kind is bool:
        if isinstance(value, bool):
            return value
        word = value.strip().lower() if isinstance(value, str) else None
        if word not in (*TRUE, *FALSE):
            raise wrong
        return word in TRUE
    if isinstance(value, bool):
        raise wrong
    if isinstance(value, str) or (kind is float and isinstance(value, int)):
        try:
            return kind(value)
        except (ValueError, OverflowError):  # an integer may be greater than any float
            raise wrong from None
    if not isinstance(value, kind):
        raise wrong
    return value


def _allowed(value: Any, facts: Mapping[str, Any], shown: str) -> None:
    if facts["choices"] and value not in facts["choices"]:
        raise ValueError(f"is {shown}: it must be {' or '.join(facts['choices'])}{_meant(value, facts['choices'])}")
    least, most = facts["least"], facts["most"]
    # written so that a NaN is refused as well
    if least is not None and not value >= least:
        raise ValueError(f"is {shown}: it must be at least {least:g}")
    if most is not None and not value <= most:
        raise ValueError(f"is {shown}: it must be at most {most:.15g}")


def _meant(value: object, choices: tuple[str, ...]) -> str:
    close = [c for c in choices if c.lower() == str(value).lower()]
    return f" (written {close[0]})" if close else ""


def default_of(target: Field[Any]) -> Any:
    """A field's default."""
    if target.default is MISSING:
        raise TypeError(f"the setting {target.name} has no default")
    return target.default
