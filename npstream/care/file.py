"""Reads the care file: docs/cases.md.

It is TOML. Each table has a module of this package, which says what may be in it; what is left out has its default.
"""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from npstream.care.mistakes import mistake
from npstream.settings_sources import SettingsError, nearest

TABLES: Final = ("cases", "risk", "alerts", "sinks", "first_touch", "comments")
"""What the file may hold."""

T = TypeVar("T")


@dataclass(frozen=True)
class CareFile:
    """The tables of the file as they are written; none without a file."""

    path: Path | None = None
    tables: Mapping[str, Any] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        """Where the files lie that it names: beside it."""
        return Path() if self.path is None else self.path.parent

    def table(self, name: str, kind: type[T]) -> T:
        """One of its tables, as a struct whose fields all have defaults. Raises SettingsError."""
        try:
            return msgspec.convert(self.tables.get(name, {}), kind)
        except msgspec.ValidationError as error:
            where, what = mistake(error, kind, self.tables[name])
            raise self.wrong(name + where, what) from None

    def wrong(self, where: str, what: str) -> SettingsError:
        """The error for what is in the file: `where` it is, such as cases.hours.zone, and `what` is wrong."""
        return SettingsError(f"care_file {self.path}: {where}: {what}")


class Secret(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A secret in the file: where it is to be found, or itself."""

    value: str = ""
    env: str = ""
    file: str = ""


def read_care(name: str) -> CareFile:
    """The file of this name; "" is none. Raises SettingsError."""
    if not name:
        return CareFile()
    path = Path(name)
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"cannot read care_file {path}: {error.strerror}; check the path and its permissions") from error
    except (ValueError, RecursionError) as error:
        raise SettingsError(f"care_file {path} is no TOML: {error}") from None
    for table in tables:
        if table not in TABLES:
            close = nearest(table, TABLES)
            known = close if "mean" in close else f"; there are {', '.join(TABLES)}"
            raise SettingsError(f"care_file {path}: {table}: there is no such table{known}")
    return CareFile(path, tables)


def secret_text(care: CareFile, where: str, secret: str | Secret, environ: Mapping[str, str] = os.environ) -> str:
    """What a secret is. Raises SettingsError, which does not show it."""
    if isinstance(secret, str):
        return secret
    if bool(secret.value) + bool(secret.env) + bool(secret.file) != 1:
        raise care.wrong(where, "give one of value, env and file")
    if secret.env:
        if not environ.get(secret.env):
            raise care.wrong(where, f"the variable {secret.env} is not set")
        return environ[secret.env]
    if secret.file:
        try:
            found = (care.folder / secret.file).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise care.wrong(where, f"cannot read the file {care.folder / secret.file}: {error.strerror}") from None
        except UnicodeDecodeError:
            raise care.wrong(where, f"the file {care.folder / secret.file} is no text in UTF-8") from None
        if not found:
            raise care.wrong(where, f"the file {care.folder / secret.file} is empty")
        return found
    return secret.value
