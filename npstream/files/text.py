"""From the bytes on a disk to text in UTF-8: gzip is unpacked, a byte order mark heeded, and other encodings converted."""

import codecs
import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any, Final, cast

from npstream.failures import UserError

GZIP_MAGIC: Final = b"\x1f\x8b"
"""How a gzip stream begins, for standard input that has no extension. Source: RFC 1952, section 2.3.1."""
BUFFER_BYTES: Final = 256 * 1024
"""One read from the disk: few system calls, little memory."""
ENCODINGS: Final = ("utf-8", "utf-16", "cp1252")
"""Those that exports come in. UTF-8 and UTF-16 with a byte order mark are recognised; cp1252, whose every byte is some letter,
cannot be told from others, and has to be named."""
_WITHOUT_MARK: Final = {"utf-16": "utf-16-le"}
"""What it is where nothing says which byte comes first: Windows, which writes most of it, has the lower one first."""
_UTF_16_MARKS: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def plain(name: str, raw: io.RawIOBase) -> io.BufferedReader:
    """The stream, unpacked if it is gzip."""
    buffered: io.BufferedReader = io.BufferedReader(raw, BUFFER_BYTES)
    if not name.lower().endswith(".gz") and buffered.peek(2)[:2] != GZIP_MAGIC:
        return buffered
    return io.BufferedReader(cast(io.RawIOBase, gzip.GzipFile(fileobj=buffered)), BUFFER_BYTES)


def as_utf_8(stream: io.BufferedReader, encoding: str | None) -> io.BufferedReader:
    """The stream in UTF-8, without a byte order mark; `encoding` is what it is in unless it begins with a mark."""
    mark = stream.peek(3)[:3]
    if mark == codecs.BOM_UTF8:
        stream.read(3)
    elif mark[:2] in _UTF_16_MARKS:
        return io.BufferedReader(_Converted(stream, "utf-16"), BUFFER_BYTES)
    elif encoding is not None and encoding != "utf-8":
        return io.BufferedReader(_Converted(stream, _WITHOUT_MARK.get(encoding, encoding)), BUFFER_BYTES)
    return stream


@contextmanager
def readable(name: str) -> Iterator[None]:
    """For reading such a stream: one that is no whole gzip file, or in no such encoding, is a UserError."""
    try:
        yield
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise UserError(f"{name}: not a whole gzip file ({error}); copy it again, or unpack it to see what is left") from error
    except UnicodeError as error:
        raise UserError(f"{name}: not in the encoding that it should be in ({error}); see --encoding") from error


class _Converted(io.RawIOBase):
    """A stream of another encoding as UTF-8."""

    def __init__(self, source: IO[bytes], encoding: str) -> None:
        self._source = source
        self._decoder = codecs.getincrementaldecoder(encoding)()
        self._left = b""
        self._ended = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._left and not self._ended:
            data = self._source.read(BUFFER_BYTES)
            self._ended = not data
            self._left = self._decoder.decode(data, self._ended).encode()
        size = min(len(buffer), len(self._left))
        buffer[:size], self._left = self._left[:size], self._left[size:]
        return size
