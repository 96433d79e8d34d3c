"""A certificate for a broker on loopback, made by the keytool of the Java that runs it."""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from npstream.broker import HOST
from tests.kafka.broker import KafkaUnavailable

PASSWORD = "of-the-key-store"
"""Of a file in a temporary folder; keytool makes none without."""
TIMEOUT_S = 60.0
"""Two seconds on a quiet machine."""


@dataclass(frozen=True)
class Certificate:
    """A key store for the broker, and the same certificate for clients to trust."""

    key_store: Path
    """PKCS #12, opened by `PASSWORD`."""
    pem: Path


def make_certificate(folder: Path) -> Certificate:
    """A self-signed certificate for the loopback address. Raises KafkaUnavailable without a keytool."""
    keytool = shutil.which("keytool")
    if keytool is None:
        raise KafkaUnavailable("no keytool on the path: it comes with a Java development kit, 17 or later")
    made = Certificate(folder / "broker.p12", folder / "broker.pem")
    store = ["-alias", "broker", "-keystore", str(made.key_store), "-storetype", "PKCS12", "-storepass", PASSWORD]
    key = ["-keyalg", "RSA", "-keysize", "2048", "-validity", "2", "-dname", f"CN={HOST}", "-ext", f"SAN=IP:{HOST}"]
    for arguments in (["-genkeypair", *key, *store], ["-exportcert", "-rfc", "-file", str(made.pem), *store]):
        subprocess.run([keytool, *arguments], check=True, capture_output=True, timeout=TIMEOUT_S)
    return made
