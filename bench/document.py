"""Writes what a program has found into a document, between a pair of markers of its own, so that it can be remade."""

from pathlib import Path


def written_in(document: str, name: str) -> str | None:
    """What stands between the markers of this name; None if they are not there."""
    begin, end = _markers(name)
    _, found, rest = document.partition(begin)
    inside, closed, _ = rest.partition(end)
    return inside.strip("\n") if found and closed else None


def write_into(file: Path, name: str, text: str) -> None:
    """Replace what stands between the markers; a document without them, or that is not there yet, gets them at its end."""
    begin, end = _markers(name)
    document = file.read_text(encoding="utf-8") if file.exists() else ""
    before, found, rest = document.partition(begin)
    _, _, after = rest.partition(end)
    if not found:
        before, after = (f"{document.rstrip()}\n\n" if document else ""), "\n"
    file.write_text(f"{before}{begin}\n{text}\n{end}{after}", encoding="utf-8")


def _markers(name: str) -> tuple[str, str]:
    return f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
