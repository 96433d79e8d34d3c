"""Golden files: what crosses a border, kept as a file whose changes are read in the diff.

`UPDATE_GOLDEN=1 python -m pytest ...` rewrites those that the selected tests look at.
"""

import json
import os
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "golden"


def check_golden(name: str, value: Any) -> None:
    """Compare a JSON value with the golden file of this name (with UPDATE_GOLDEN=1: write it)."""
    path = FOLDER / name
    if os.environ.get("UPDATE_GOLDEN") == "1":
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    if not path.exists():
        raise AssertionError(f"no golden file {path}: write it with UPDATE_GOLDEN=1 and read what it says")
    golden = json.loads(path.read_text(encoding="utf-8"))
    assert value == golden, f"differs from {path.relative_to(FOLDER.parent)}; if it should, rewrite it with UPDATE_GOLDEN=1"
