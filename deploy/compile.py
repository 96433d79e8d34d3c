"""Compiles the hot path with Cython, as it stands: `python deploy/compile.py FOLDER`.

The modules stay what they are, ordinary Python that runs without this; compiled they take a fifth less time
(docs/decisions/0006-few-objects.md). FOLDER gets a shared library for each, in the folders of their packages: given
the folder where npstream is installed, Python takes them instead of the sources beside them; given another one, the packages
are copied there first, to be put at the head of PYTHONPATH. It needs a C compiler and the headers of Python.
"""

import shutil
import sys
import tempfile
from pathlib import Path
from typing import Final

from Cython.Build import cythonize
from setuptools import Extension
from setuptools.dist import Distribution
from setuptools.errors import BaseError

ROOT: Final = Path(__file__).parents[1]
PACKAGES: Final = ("streams", "agents", "schemas", "npstream")
COMPILED: Final = (
    *(f"agents.{name}" for name in (
        "acceptance", "accounts", "announcements", "history", "intake", "ledger", "publishing", "responses", "rollup",
        "scoring", "stored", "tables", "versions", "windows",
    )),
    *(f"streams.{name}" for name in ("execution", "inbox", "record_batches", "state")),
    "schemas.times",
    "schemas.validation",
)  # fmt: skip
"""What each response goes through: a module that the profile does not show is left as it is."""
DIRECTIVES: Final = {"language_level": 3, "annotation_typing": False}
"""Annotations are for readers and mypy: taken for types of C they would refuse what Python takes, an int beyond 64 bits or a
subclass."""

OPTIONS: Final = ["-O2", "-g0", "-w"]
"""Without debugging information, a tenth of the size, and without warnings of code that nobody reads."""


def compile_into(folder: Path) -> list[Path]:
    """The libraries, in the order of `COMPILED`. Raises BaseError when the compiler is missing or fails."""
    if not (folder / PACKAGES[0]).is_dir():
        for package in PACKAGES:
            shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__", "*.so"))
    with tempfile.TemporaryDirectory(prefix="npstream-compile-") as scratch:
        sources = {name: str(ROOT.joinpath(*name.split(".")).with_suffix(".py")) for name in COMPILED}
        extensions = [Extension(name, [source], extra_compile_args=OPTIONS) for name, source in sources.items()]
        modules = cythonize(extensions, build_dir=scratch, compiler_directives=DIRECTIVES, quiet=True)
        build = Distribution({"name": "npstream", "ext_modules": modules}).get_command_obj("build_ext")
        build.build_lib, build.build_temp = str(folder), scratch
        build.ensure_finalized()
        build.run()
        return [Path(build.get_ext_fullpath(name)) for name in COMPILED]


def main(arguments: list[str]) -> int:
    """Exit code 2 for a wrong call, 1 where it cannot be compiled."""
    if len(arguments) != 1:
        print("compile: give the folder to compile into", file=sys.stderr)
        return 2
    try:
        libraries = compile_into(Path(arguments[0]).absolute())
    except BaseError as error:
        print(f"compile: {error}: it needs a C compiler and the headers of Python (Debian: gcc, python3-dev)", file=sys.stderr)
        return 1
    size = sum(library.stat().st_size for library in libraries)
    print(f"{len(libraries)} modules compiled into {arguments[0]}, {size / 1e6:.1f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
