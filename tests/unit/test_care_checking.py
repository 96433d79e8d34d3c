"""`npstream check` finds in the care file what would stop a worker, and the secrets that notify would miss."""

from pathlib import Path

import pytest

from npstream.care.checking import care_findings
from npstream.findings import Status
from npstream.settings import Settings

SINK = '[sinks.csm]\nkind = "slack"\nurl = { env = "CSM_URL" }\n'
ROUTE = '[[alerts.routes]]\nname = "all"\nsinks = "csm"\n'
SENT_BY = '[first_touch]\nenabled = true\ncompany = "Vendor Inc."\nsend_by = "mail"\n'


def found(folder: Path, text: str | None, environ: dict[str, str]) -> list[tuple[Status, str]]:
    path = folder / "care.toml"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    findings = care_findings(Settings(care_file="" if text is None else str(path)), environ)
    return [(one.status, one.message.replace(f"{path}", "care.toml")) for one in findings]


@pytest.mark.parametrize(
    ("text", "environ", "findings"),
    [
        (None, {}, [(Status.OK, "none is set: cases are kept by the defaults, and nobody is alerted")]),
        (SINK + ROUTE, {"CSM_URL": "https://x"}, [(Status.OK, "care.toml: 1 route, 1 sink, first messages off")]),
        (
            SINK + ROUTE,
            {},
            [
                (Status.OK, "care.toml: 1 route, 1 sink, first messages off"),
                (Status.WARNING, "care_file care.toml: sinks.csm.url: the variable CSM_URL is not set"),
            ],
        ),
        (ROUTE, {}, [(Status.FAILED, "care_file care.toml: alerts.routes[0].sinks: there is no sink 'csm'; there is none")]),
        (SENT_BY, {}, [(Status.FAILED, "care_file care.toml: first_touch.send_by: there is no sink 'mail'")]),
    ],
)
def test_what_is_found(tmp_path: Path, text: str | None, environ: dict[str, str], findings: list[tuple[Status, str]]) -> None:
    assert found(tmp_path, text, environ) == findings
