"""The files that first messages are made of: shipped ones, and one's own beside the care file.

`NAME.LOCALE.txt.j2` is the message NAME in a language; other `.j2` files are there to be imported by them.
"""

import re
from collections.abc import Iterable, Mapping
from importlib import resources
from pathlib import Path, PurePosixPath
from typing import Final, NamedTuple

SHIPPED: Final = "npstream/"
"""Before the names of the shipped files, for who imports from them."""
_ENDING: Final = ".j2"
_MESSAGE: Final = re.compile(r"(?P<name>.+)\.(?P<locale>[A-Za-z]{2,3}(?:[-_][A-Za-z0-9]{2,8})*)\.txt\.j2")


class SourceFile(NamedTuple):
    """A file that was read."""

    text: str
    path: str
    """As it is told to users."""


class Unreadable(ValueError):
    """A file or folder that cannot be read: the message says which, and why."""


def shipped_files() -> dict[str, SourceFile]:
    """The shipped ones, by the names that imports use."""
    folder = resources.files("npstream.care") / "templates"
    names = sorted(file.name for file in folder.iterdir() if file.name.endswith(_ENDING))
    return {SHIPPED + name: SourceFile((folder / name).read_text(encoding="utf-8"), SHIPPED + name) for name in names}


def files_beside(care_folder: Path, folders: Iterable[PurePosixPath]) -> dict[str, SourceFile]:
    """All of some folders below the care file's, by their names from there. Raises Unreadable."""
    found = {}
    for folder in sorted(set(folders)):
        place = care_folder / folder
        try:
            for path in sorted(place.iterdir()):
                if path.name.endswith(_ENDING):
                    found[str(folder / path.name)] = SourceFile(path.read_text(encoding="utf-8"), str(path))
        except UnicodeDecodeError:
            raise Unreadable(f"{path} is not UTF-8") from None
        except OSError as error:
            raise Unreadable(f"cannot read {error.filename or place}: {error.strerror}") from None
    return found


def locale_of(name: str) -> str:
    """The locale in the name of a message's file, as it is written there."""
    match = _MESSAGE.fullmatch(PurePosixPath(name).name)
    return "" if match is None else match["locale"].replace("_", "-")


def languages(message: str, files: Mapping[str, SourceFile]) -> dict[str, str]:
    """The files of a message, given with its folder, by locale in lower case."""
    folder, name = PurePosixPath(message).parent, PurePosixPath(message).name
    found = {}
    for file in files:
        match = _MESSAGE.fullmatch(PurePosixPath(file).name)
        if match is not None and match["name"] == name and PurePosixPath(file).parent == folder:
            found[locale_of(file).lower()] = file
    return found
