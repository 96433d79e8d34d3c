"""Tables in documents: each program replaces what lies between its own pair of markers."""

from collections.abc import Sequence
from pathlib import Path


def table(heads: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> str:
    """As Markdown; the first `left` columns are text, the others numbers."""
    ruler = ["---"] * left + ["---:"] * (len(heads) - left)
    lines = [f"| {' | '.join(heads)} |", f"|{'|'.join(ruler)}|"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])


def replace(file: Path, name: str, text: str) -> None:
    """Put the text into a document, between the markers of this name; one without them gets both at its end."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    document = file.read_text(encoding="utf-8") if file.exists() else ""
    before, found, rest = document.partition(begin)
    _, _, after = rest.partition(end)
    if not found:
        before, after = (f"{document.rstrip()}\n\n" if document else ""), "\n"
    file.write_text(f"{before}{begin}\n{text}\n{end}{after}", encoding="utf-8")
