"""Go on where a file was interrupted: how many of its rows are acknowledged is kept in a small state file beside it.

A file is known by its size, a hash of its beginning, and how it is read: the same file under another name goes on, another file
under the same name does not, nor does one whose columns are others now. The state may be a moment old: what was acknowledged
since is sent again, and changes nothing, since each response has its id.
"""

import hashlib
import json
import os
import time
from collections import deque
from pathlib import Path
from typing import Any, Final

from npstream.failures import UserError

SUFFIX: Final = ".npstream-resume"
"""Of the state file beside a file."""
BEGINNING_BYTES: Final = 64 * 1024
"""Of the file, that are hashed: an export begins with its newest or oldest response, which few share."""
SAVE_EVERY_S: Final = 0.5
"""Between two states that are written: what was sent in between is sent twice after a crash."""


def fingerprint(path: Path, how: str) -> str:
    """What a file is known by. `how` is all that makes other responses of it. Raises OSError."""
    with path.open("rb") as file:
        beginning = file.read(BEGINNING_BYTES)
    digest = hashlib.sha256(beginning)
    digest.update(how.encode())
    return f"{path.stat().st_size}-{digest.hexdigest()[:32]}"


class Resume:
    """The state file of one file that is sent: `rows` of it are acknowledged.

    Raises UserError if the state file is none, or if one that the user has named cannot be written.
    """

    def __init__(self, path: Path, key: str, named: bool) -> None:
        """`named`: whether the user has asked for this state file."""
        if named and not os.access(path.parent, os.W_OK):
            raise UserError(f"{path}: no folder that can be written; name another state file with --resume")
        self.path = path
        self._key = key
        self._named = named
        self._saved_at = time.monotonic()
        self._usable = True
        self.began_at: int = self._read().get(key, 0)
        """The rows that an earlier run had acknowledged."""
        self.rows = self.began_at

    def reached(self, rows: int, at_once: bool = False) -> None:
        """So many rows are acknowledged, from the first one on."""
        if rows <= self.rows and not at_once:
            return
        self.rows = max(rows, self.rows)
        now = time.monotonic()
        if self._usable and self.rows and (at_once or now - self._saved_at >= SAVE_EVERY_S):
            self._saved_at = now
            self._write({**self._read(), self._key: self.rows})

    def finished(self) -> None:
        """All of the file is acknowledged: nothing is left to go on with."""
        left = {key: rows for key, rows in self._read().items() if key != self._key}
        if left:
            self._write(left)
        else:
            self.path.unlink(missing_ok=True)

    def _read(self) -> dict[str, int]:
        try:
            found: Any = json.loads(self.path.read_bytes())
        except FileNotFoundError:
            return {}
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict) or not all(type(rows) is int and rows >= 0 for rows in found.values()):
            raise UserError(f"{self.path}: no state of npstream produce; remove it, or name another one with --resume")
        return found

    def _write(self, state: dict[str, int]) -> None:
        draft = self.path.with_name(self.path.name + ".new")
        try:
            draft.write_text(json.dumps(state) + "\n")
            os.replace(draft, self.path)
        except OSError as error:
            if self._named:
                raise UserError(f"{self.path}: {error.strerror}; name a state file that can be written") from error
            self._usable = False  # a folder that is read alone: the file is sent all the same, and again from its beginning


class Settling:
    """Which rows of a file are acknowledged, as its records are: rows have none, one or several."""

    def __init__(self) -> None:
        self._open: deque[tuple[int, int]] = deque()
        self._rows = 0

    def sent(self, records: int, rows: int) -> None:
        """When so many records in all are acknowledged, so many rows are."""
        self._open.append((records, rows))

    def rows(self, settled: int) -> int:
        """The rows that are, when so many records are acknowledged from the first one on."""
        while self._open and self._open[0][0] <= settled:
            self._rows = self._open.popleft()[1]
        return self._rows
