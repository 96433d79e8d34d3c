"""Kafka's own commands, run as a document or a message writes them: `kafka-transactions.sh --bootstrap-server $KAFKA ...`."""

import shlex
import shutil
import subprocess

from tests.kafka.broker import JVM_OPTIONS, LIBS, KafkaUnavailable

MAINS = {"kafka-transactions.sh": "org.apache.kafka.tools.TransactionsCommand"}
"""What the scripts of Kafka's bin folder start."""
TIMEOUT_S = 60.0
"""A command takes a second; the rest is for a busy machine."""


def run(command: str, bootstrap: str) -> str:
    """Run one command line, $KAFKA being the broker's address; what it printed. Raises KafkaUnavailable if it fails."""
    java = shutil.which("java")
    if java is None:
        raise KafkaUnavailable("java is not installed")
    script, *arguments = shlex.split(command.replace("$KAFKA", bootstrap))
    quiet = "-Dorg.slf4j.simpleLogger.defaultLogLevel=error"
    argv = [java, *JVM_OPTIONS, quiet, "-cp", f"{LIBS}/*", MAINS[script], *arguments]
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    if done.returncode != 0:
        raise KafkaUnavailable(f"{command} ended with {done.returncode}: {done.stdout}{done.stderr}")
    return done.stdout
