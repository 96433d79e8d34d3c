"""A program that runs beside us and never outlives us, however we end."""

import atexit
import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

LAUNCHER = """
import ctypes, os, signal, sys
PR_SET_PDEATHSIG = 1
ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
if os.getppid() != int(sys.argv[1]):
    sys.exit("the parent is gone")
os.execv(sys.argv[2], sys.argv[2:])
"""
"""Asks the kernel to kill this process when its parent dies, then becomes the program. Done here and not in a
`preexec_fn`, because Python code between fork and exec can dead-lock in a process that has threads."""

TAIL_BYTES = 4_000
"""How much of a log an error message quotes: the last thirty lines or so."""


class ChildFailed(RuntimeError):
    """The program could not be started, or ended when it should have run; the message says which and why."""


class Child:
    """One running program, its output in a file.

    It is in a session of its own, so that Ctrl-C reaches us first and we can stop it in our order. On Linux the kernel
    kills it when this process ends in any way, kill -9 included; elsewhere only an orderly exit takes it along.

    The kernel's promise is tied to the thread that started the program, so a thread of its own starts it and waits for it.
    """

    def __init__(self, argv: Sequence[str], log: Path, env: Mapping[str, str] | None = None) -> None:
        """Start `argv` (an absolute path first), its output appended to `log`; `env` of None is ours.

        Raises ChildFailed if it cannot be started.
        """
        self.log = log
        self._argv = list(argv)
        self._env = None if env is None else dict(env)
        self._process: subprocess.Popen[bytes] | None = None
        self._error: OSError | None = None
        started = threading.Event()
        threading.Thread(target=self._own, args=(started,), name=f"child {Path(argv[0]).name}", daemon=True).start()
        started.wait()
        if self._process is None:
            raise ChildFailed(f"cannot start {argv[0]}: {self._error}")
        atexit.register(self.kill)

    def _own(self, started: threading.Event) -> None:
        command = self._argv
        if sys.platform == "linux":
            command = [sys.executable, "-I", "-S", "-c", LAUNCHER, str(os.getpid()), *self._argv]
        try:
            with self.log.open("ab") as output:
                self._process = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    env=self._env,
                    start_new_session=True,
                )
        except OSError as error:
            self._error = error
        finally:
            started.set()
        if self._process is not None:
            self._process.wait()

    @property
    def process(self) -> "subprocess.Popen[bytes]":
        """The process itself."""
        if self._process is None:
            raise ChildFailed(f"{self._argv[0]} was not started: {self._error}")
        return self._process

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.process.pid

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self.process.poll() is None

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, if it still runs."""
        self.process.send_signal(number)

    def kill(self) -> None:
        """End it at once (SIGKILL) and wait until it is gone. Calling it twice does no harm."""
        if self.alive:
            self.process.kill()
        self.process.wait()
        atexit.unregister(self.kill)

    def stop(self, timeout_s: float) -> None:
        """Ask it to end (SIGTERM); after `timeout_s` end it. Calling it twice does no harm."""
        if self.alive:
            self.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(timeout_s)
        self.kill()

    def tail(self) -> str:
        """The last lines of its output."""
        try:
            with self.log.open("rb") as output:
                output.seek(0, os.SEEK_END)
                output.seek(max(0, output.tell() - TAIL_BYTES))
                return output.read().decode(errors="replace").strip()
        except FileNotFoundError:
            return ""
