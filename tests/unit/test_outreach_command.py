"""npstream outreach without a broker: what a preview shows, what is sent for an opt-out, what a list is made of."""

import json
from pathlib import Path
from typing import Any, Self

import msgspec
import pytest
from click.testing import CliRunner, Result

from npstream import outreach_log
from npstream.commands import outreach
from npstream.failures import UserError
from npstream.raw_record import RawRecord
from schemas import topics
from schemas.examples import EXAMPLES
from schemas.outreach import Preference
from streams.partitioner import partition_of
from streams.test_driver import Sent

PARTITIONS = 12


def run(*arguments: str, stdin: str | None = None) -> Result:
    result = CliRunner().invoke(outreach.command, arguments, input=stdin)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_a_preview_shows_what_would_be_sent_and_why() -> None:
    shown = run("preview", "--severity", "high", "--locale", "de-AT").output
    assert "template  high, de: npstream/high.de.txt.j2\n" in shown
    assert "why       shipped, for its severity; the respondent's language\n" in shown
    assert "to        u-17@acme.example\n" in shown
    assert "subject   Danke für Ihre offene Antwort\n" in shown
    assert "\nGuten Tag,\n" in shown
    assert "[company]" in shown


def test_a_preview_is_a_document_too() -> None:
    document = json.loads(run("preview", "--json").output)
    assert document["template"] == "critical"
    assert document["reply_to"] == "csm@vendor.example"
    assert document["text"].startswith("Hello,\n\n")
    assert document["failed"] is None


def test_a_preview_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "big.en.txt.j2").write_text("Subject: Own\n\nOwn {{ 1 // (score - 4) }}")
    (tmp_path / "care.toml").write_text(
        '[first_touch]\n[[first_touch.templates]]\nfile = "big"\nmatch = {segments = {plan = "big"}}\n'
    )
    monkeypatch.setenv("NPSTREAM_CARE_FILE", str(tmp_path / "care.toml"))
    assert "template  critical, en" in run("preview").output
    shown = run("preview", "--segment", "plan=big").output
    assert f"template  big, en: {tmp_path}/big.en.txt.j2\n" in shown
    assert "why       first_touch.templates[0]; the respondent's locale\n" in shown

    example: Any = EXAMPLES["Case"]
    failing = example | {"segments": {"plan": "big"}, "responses": [example["responses"][0] | {"score": 4}]}
    shown = run("preview", "--case", "-", stdin=json.dumps(failing)).output
    assert f"{tmp_path}/big.en.txt.j2 fails for this case: the shipped message is sent instead\n" in shown
    assert "template  critical, en\n" in shown


@pytest.mark.parametrize("wrapped", ["Case", "CaseEvent"])
def test_a_preview_of_a_case(wrapped: str, tmp_path: Path) -> None:
    document: Any = EXAMPLES[wrapped]
    changed = EXAMPLES["Case"] | {"respondent_id": "u-17", "owner": "lee"}
    file = tmp_path / "case.json"
    file.write_text(json.dumps(document | {"case": changed} if wrapped == "CaseEvent" else changed))
    shown = run("preview", "--case", str(file)).output
    assert "to        nobody: the respondent_id is no e-mail address\n" in shown
    assert "reply to  whoever it is sent from\n" in shown
    assert "\nlee\n" in shown


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", json.dumps(EXAMPLES["Case"] | {"updated_at": "2026-99-01T00:00:00.000Z"})]
)
def test_what_is_no_case_is_refused(text: str) -> None:
    with pytest.raises(UserError, match=r"^stdin: no case: "):
        run("preview", "--case", "-", stdin=text)


def test_a_segment_is_a_pair() -> None:
    assert "is not DIMENSION=VALUE" in run("preview", "--segment", "plan").output


class Sink:
    """Stands for the broker."""

    def __init__(self) -> None:
        self.records: list[RawRecord] = []

    def __call__(self, connection: object, topic: str) -> Self:
        assert topic == topics.PREFERENCES
        return self

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        pass

    async def send(self, record: RawRecord) -> None:
        self.records.append(record)

    async def flush(self) -> None:
        pass


@pytest.fixture
def sink(monkeypatch: pytest.MonkeyPatch) -> Sink:
    async def partitions(*asked: object) -> dict[str, int]:
        return {topics.PREFERENCES: PARTITIONS}

    sink = Sink()
    monkeypatch.setattr(outreach, "Sender", sink)
    monkeypatch.setattr(outreach, "require_topics", partitions)
    return sink


@pytest.mark.parametrize(("command", "wanted", "said"), [("opt-out", False, "is sent no"), ("opt-in", True, "may be sent")])
def test_a_wish_is_sent_to_where_the_account_is(sink: Sink, command: str, wanted: bool, said: str) -> None:
    shown = run(command, "--account", "a|b", "--respondent", "lee@acme.example").output
    assert shown.startswith(f"lee@acme.example of a|b {said} messages")
    (record,) = sink.records
    assert (record.key, record.partition) == (b"a|b|lee@acme.example", partition_of(b"a|b", PARTITIONS))
    assert msgspec.json.decode(record.value or b"", type=Preference) == Preference(
        account_id="a|b", respondent_id="lee@acme.example", outreach=wanted
    )
    document = json.loads(run(command, "--account", "a", "--respondent", "b", "--json").output)
    assert document == {"sent": True, "account_id": "a", "respondent_id": "b", "outreach": wanted}


@pytest.mark.parametrize("respondent", ["", "x" * 501])
def test_an_id_that_nobody_can_have_is_refused(sink: Sink, respondent: str) -> None:
    with pytest.raises(UserError, match="--respondent must have 1 to 500 characters"):
        run("opt-out", "--account", "acme", "--respondent", respondent)
    assert sink.records == []


def told(offset: int, value: bytes | None) -> Sent:
    return Sent(topics.OUTREACH, 0, offset, 1000 + offset, b"acme", value, ())


def test_a_list_has_the_newest_that_can_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    sent = EXAMPLES["Outreach"]
    kept = {"outreach_id", "account_id", "case_id", "respondent_id", "created_at"}
    held = {name: value for name, value in sent.items() if name in kept} | {"status": "suppressed", "reason": "answered"}
    values = [b"{", None, msgspec.json.encode(held | {"account_id": "globex"}), *[msgspec.json.encode(sent)] * 3]
    values.append(msgspec.json.encode(held))

    class Records:
        def __init__(self, connection: object, names: object) -> None:
            pass

        async def __aenter__(self) -> Self:
            return self

        async def __aexit__(self, *error: object) -> None:
            pass

        async def to_end(self, topic: str) -> Any:
            for offset, value in enumerate(values):
                yield [told(offset, value)]

    monkeypatch.setattr(outreach_log, "Reader", Records)

    def listed(*arguments: str) -> list[tuple[str, str]]:
        document = json.loads(run("list", "--json", *arguments).output)
        return [(one["account_id"], one["status"]) for one in document["outreach"]]

    assert listed() == [("globex", "suppressed"), *[("acme", "send")] * 3, ("acme", "suppressed")]
    assert listed("--last", "2") == [("acme", "send"), ("acme", "suppressed")]
    assert listed("--account", "globex") == [("globex", "suppressed")]
    assert listed("--status", "suppressed") == [("globex", "suppressed"), ("acme", "suppressed")]

    lines = run("list").output.splitlines()
    assert lines[0].split() == ["When", "account", "respondent", "message"]
    assert lines[1].split()[2:5] == ["answered", "globex", "u-17@acme.example"]
    assert lines[2].split()[2:8] == ["sent", "acme", "u-17@acme.example", "critical", "en:", "About"]
    values.clear()
    assert run("list").output.startswith("No messages: ")
