"""What users install is the wheel: built here, put into an environment of its own, and used from outside the source tree."""

import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.requirements import Requirement

SOURCE = Path(__file__).parents[2]
RUNTIME_LOCK = SOURCE / "requirements-runtime.lock"
INSTALL_TIMEOUT_S = 150
"""12 s with pip's cache; without one some 60 MB are fetched."""
DEMO_TIMEOUT_S = 150
"""A minute at most is promised on a quiet machine; tests share theirs."""


pytestmark = pytest.mark.timeout(INSTALL_TIMEOUT_S * 2 + DEMO_TIMEOUT_S)


def run(*command: str | Path, cwd: Path, timeout_s: float = INSTALL_TIMEOUT_S) -> str:
    """Standard output and errors of a command that must succeed, without our own PYTHONPATH and settings."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "NPSTREAM_"))}
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout_s,
        check=False,
    )
    assert done.returncode == 0, f"{' '.join(str(part) for part in command)} ended with {done.returncode}:\n{done.stdout}"
    return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin folder of a new environment that holds the wheel, its locked dependencies, and nothing else."""
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder / "dist", SOURCE, cwd=folder)
    (wheel,) = (folder / "dist").glob("npstream-*.whl")
    run(sys.executable, "-m", "venv", "--without-pip", folder / "venv", cwd=folder)
    programs = folder / "venv" / "bin"
    pip = (sys.executable, "-m", "pip", "--python", programs / "python", "--disable-pip-version-check", "install", "--quiet")
    run(*pip, "--require-hashes", "--requirement", RUNTIME_LOCK, cwd=folder)
    run(*pip, "--no-deps", "--no-index", wheel, cwd=folder)
    return programs


def test_the_wheel_holds_all_four_packages_and_their_types(installed: Path, tmp_path: Path) -> None:
    program = (
        "import agents, npstream, schemas, streams, pathlib\n"
        "for package in (agents, npstream, schemas, streams):\n"
        "    folder = pathlib.Path(package.__file__).parent\n"
        "    print(folder.parent, (folder / 'py.typed').exists())\n"
    )
    shown = run(installed / "python", "-c", program, cwd=tmp_path).split("\n")
    site_packages = next((installed.parent / "lib").glob("python3.*/site-packages"))
    assert shown == [f"{site_packages} True"] * 4 + [""]


def test_the_command_says_its_version(installed: Path, tmp_path: Path) -> None:
    assert version("npstream") in run(installed / "npstream", "--version", cwd=tmp_path)


def test_the_demo_runs_from_the_wheel(installed: Path, tmp_path: Path) -> None:
    printed = " ".join(run(installed / "npstream", "demo", "--once", cwd=tmp_path, timeout_s=DEMO_TIMEOUT_S).split())
    for part in ("Accounts", "Segments", "Detractors", "Checked against a recount", "no difference"):
        assert part in printed


def test_users_run_the_versions_that_developers_test() -> None:
    assert locked(RUNTIME_LOCK).items() <= locked(SOURCE / "requirements.lock").items()


def locked(lock: Path) -> dict[str, str]:
    """Each requirement of a lock file, with its version and marker."""
    lines = [line.removesuffix("\\").strip() for line in lock.read_text(encoding="utf-8").splitlines() if line[:1].isalnum()]
    found = {Requirement(line).name: str(Requirement(line).specifier) for line in lines}
    assert len(found) == len(lines) > 0
    return found
