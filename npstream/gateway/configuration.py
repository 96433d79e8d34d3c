"""Who may send what: vendors, their schemes, secrets and accounts, from gateway_file and the settings.

    [vendors.typeform]
    account = "globex"
    secrets = ["first", { env = "TYPEFORM_OLD" }]

    [vendors.delighted]
    secrets = [{ file = "/run/secrets/delighted-emea", account = "globex" }, { value = "...", account = "initech" }]

    [[tokens]]
    env = "CRM_TOKEN"

Several secrets of a vendor are all good at a time: that is how one is changed.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct

from npstream.gateway.signatures import SCHEMES, SHARED, USUAL, Scheme
from npstream.settings import Settings
from npstream.settings_sources import SettingsError, nearest
from schemas.events import MAX_ID_CHARS
from schemas.vendors import ADAPTERS

OPEN: Final = "open"
"""The scheme that asks for nothing: only where something before the gateway does."""
VENDOR_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
"""What a vendor may be called: it stands in paths, headers and labels of metrics."""
READABLE: Final = re.compile(r"[!-~]+")
"""What is shown in a header or a path, not as the key of a signature: printable ASCII without blanks."""


@dataclass(frozen=True, slots=True)
class Credential:
    """A secret, and whose responses come with it."""

    secret: str = field(repr=False)
    account: str | None = None


@dataclass(frozen=True, slots=True)
class Vendor:
    """How one vendor's webhooks are taken."""

    name: str
    scheme: Scheme | None = None
    """None: what comes is taken as it is, or refused where it is not open."""
    credentials: tuple[Credential, ...] = ()
    account: str | None = None
    """Of what names no account itself, unless the secret has its own."""
    open: bool = False
    rate_per_s: float | None = None
    burst: int | None = None

    @property
    def closed(self) -> bool:
        """Nobody can prove who they are."""
        return not self.open and not self.credentials


@dataclass(frozen=True, slots=True)
class Rules:
    """All vendors by name, those that are not configured included, and the tokens of POST /v1/responses."""

    vendors: Mapping[str, Vendor]
    tokens: tuple[Credential, ...] = ()


class Secret(Struct, forbid_unknown_fields=True):
    """A secret in gateway_file: itself, or where it is to be found."""

    value: str = ""
    env: str = ""
    file: str = ""
    account: str = ""


class VendorTable(Struct, forbid_unknown_fields=True):
    """A vendor in gateway_file."""

    scheme: str = ""
    secrets: list[str | Secret] = []
    account: str = ""
    rate_per_s: float | None = None
    burst: int | None = None


class Tables(Struct, forbid_unknown_fields=True):
    """All of gateway_file."""

    vendors: dict[str, VendorTable] = {}
    tokens: list[str | Secret] = []


def rules(settings: Settings, environ: Mapping[str, str]) -> Rules:
    """From the settings and the file that they name. Raises SettingsError with a line for each mistake; none shows a secret."""
    tables = _read(Path(settings.gateway_file)) if settings.gateway_file else Tables()
    problems: list[str] = []
    vendors = {name: Vendor(name) for name in ADAPTERS}
    given = _pairs(settings.gateway_secrets, problems)
    for name in [*tables.vendors, *(name for name in given if name not in tables.vendors)]:
        vendors[name] = _vendor(name, tables.vendors.get(name, VendorTable()), given.get(name, []), environ, problems)
    tokens = [_credential("tokens", entry, None, environ, problems) for entry in tables.tokens]
    tokens += [Credential(token) for token in _listed(settings.gateway_tokens)]
    if not all(READABLE.fullmatch(token.secret) for token in tokens if token.secret):
        problems.append("tokens: one of them is not of printable ASCII without blanks, as a header's must be")
    if problems:
        raise SettingsError("\n".join(problems))
    return Rules(vendors, tuple(tokens))


def _read(path: Path) -> Tables:
    try:
        with path.open("rb") as stream:
            document: Any = tomllib.load(stream)
        return msgspec.convert(document, Tables)
    except OSError as error:
        raise SettingsError(f"cannot read gateway_file {path}: {error.strerror}") from error
    except msgspec.ValidationError as error:
        raise SettingsError(f"gateway_file {path}: {error}; docs/gateway.md shows what it may hold") from None
    except (ValueError, RecursionError) as error:  # tomllib limits neither digits nor nesting itself
        raise SettingsError(f"gateway_file {path} is no TOML: {error}") from None


def _listed(text: str | None) -> list[str]:
    return [part.strip() for part in (text or "").split(",") if part.strip()]


def _pairs(text: str | None, problems: list[str]) -> dict[str, list[str]]:
    """The secrets of each vendor in gateway_secrets."""
    found: dict[str, list[str]] = {}
    for number, part in enumerate(_listed(text), 1):
        name, equals, secret = part.partition("=")
        if not equals or not secret.strip():
            problems.append(f"gateway_secrets: number {number} of them is not VENDOR=SECRET")
        else:
            found.setdefault(name.strip(), []).append(secret.strip())
    return found


def _vendor(name: str, table: VendorTable, more: list[str], environ: Mapping[str, str], problems: list[str]) -> Vendor:
    where = f"vendors.{name:.60}"
    if not VENDOR_NAME.fullmatch(name):
        problems.append(f"{where}: a vendor's name is of a-z, 0-9, - and _, at most 40 of them")
    chosen = table.scheme or USUAL.get(name, SHARED)
    credentials = [_credential(where, entry, table.account or None, environ, problems) for entry in [*table.secrets, *more]]
    problems += _faults(where, table, chosen, credentials)
    return Vendor(
        name,
        SCHEMES.get(chosen),
        tuple(credentials),
        table.account or None,
        chosen == OPEN,
        table.rate_per_s,
        table.burst,
    )


def _credential(
    where: str, entry: str | Secret, account: str | None, environ: Mapping[str, str], problems: list[str]
) -> Credential:
    if isinstance(entry, str):
        entry = Secret(value=entry)
    secret = ""
    if [entry.value, entry.env, entry.file].count("") != 2:
        problems.append(f"{where}: a secret has one of value, env and file, and it is not empty")
    elif entry.env:
        secret = environ.get(entry.env, "").strip()
        if not secret:
            problems.append(f"{where}: the variable {entry.env} is not set, or empty")
    elif entry.file:
        try:
            secret = Path(entry.file).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
            problems.append(f"{where}: cannot read the secret in {entry.file}: {reason}")
        else:
            if not secret:
                problems.append(f"{where}: {entry.file} is empty")
    else:
        secret = entry.value
    if len(entry.account) > MAX_ID_CHARS:
        problems.append(f"{where}: an account has at most {MAX_ID_CHARS} characters")
    return Credential(secret, entry.account or account)


def _faults(where: str, table: VendorTable, chosen: str, credentials: list[Credential]) -> Iterator[str]:
    if chosen != OPEN and chosen not in SCHEMES:
        yield f"{where}: there is no scheme {chosen!r}; there are {', '.join([*SCHEMES, OPEN])}{_meant(chosen)}"
    if chosen == OPEN and credentials:
        yield f"{where}: it is open and has secrets; leave out one of them"
    if len(table.account) > MAX_ID_CHARS:
        yield f"{where}: an account has at most {MAX_ID_CHARS} characters"
    if table.rate_per_s is not None and not table.rate_per_s > 0:
        yield f"{where}: rate_per_s must be more than 0"
    if table.burst is not None and table.burst < 1:
        yield f"{where}: burst must be at least 1"
    for number, credential in enumerate(credentials, 1):
        fault = SCHEMES[chosen].fault(credential.secret) if chosen in SCHEMES and credential.secret else None
        if chosen == SHARED and credential.secret and not READABLE.fullmatch(credential.secret):
            fault = "is not of printable ASCII without blanks, as a header or a path must be"
        if fault is not None:
            yield f"{where}: secret {number} {fault}"


def _meant(scheme: str) -> str:
    hint = nearest(scheme, [*SCHEMES, OPEN])
    return hint if "mean" in hint else ""
