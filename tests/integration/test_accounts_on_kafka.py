"""npstream accounts on real brokers: what is loaded is there, at home; what differs is sent, and nothing else."""

import json
from pathlib import Path

import pytest

from schemas import topics
from streams.partitioner import partition_of
from tests.integration.cluster import PARTITIONS, Cluster, Run

CSV = """account_id,company,csm,tier,arr,plan,mood
acme,Acme Tools,lee@vendor.example,gold,48000,pro,fine
globex,Globex,kim@vendor.example,iron,,free,
"""
ACME = {"name": "Acme Tools", "owner": "lee@vendor.example", "tier": "gold", "value": 48000, "segments": {"plan": "pro"}}


@pytest.fixture
def crm(tmp_path: Path) -> Path:
    path = tmp_path / "crm.csv"
    path.write_text(CSV)
    return path


def values(cluster: Cluster) -> list[tuple[bytes, object]]:
    return [(r.key, None if r.value is None else json.loads(r.value)) for r in cluster.records(topics.ACCOUNTS)]


def test_a_dry_run_says_what_would_change_and_sends_nothing(
    cluster: Cluster, run: Run, crm: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(cluster, "accounts", "load", str(crm), "--dry-run") == 0
    out, err = capsys.readouterr()
    assert err == f"{crm}: ignored columns mood (--map COLUMN=FIELD uses one)\n"
    lines = out.splitlines()
    assert [line.split()[:2] for line in lines[1:3]] == [["acme", "new"], ["globex", "new"]]
    assert "owner lee@vendor.example" in lines[1]
    assert lines[-1] == "2 new; nothing was sent"
    assert cluster.records(topics.ACCOUNTS) == []


def test_what_is_loaded_is_at_home_and_shown(cluster: Cluster, run: Run, crm: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(cluster, "accounts", "load", str(crm)) == 0
    assert capsys.readouterr().out.endswith("2 new; sent 2 records to nps.accounts\n")
    assert dict(values(cluster))[b"acme"] == ACME
    assert all(r.partition == partition_of(r.key, PARTITIONS) for r in cluster.records(topics.ACCOUNTS))

    assert run(cluster, "accounts", "show", "acme", "--json") == 0
    assert json.loads(capsys.readouterr().out) == {"account_id": "acme", **ACME}
    assert run(cluster, "accounts", "show", "acme") == 0
    assert "value         48,000" in capsys.readouterr().out.splitlines()
    assert run(cluster, "accounts", "list", "--json") == 0
    assert [one["account_id"] for one in json.loads(capsys.readouterr().out)["accounts"]] == ["acme", "globex"]
    assert run(cluster, "accounts", "list") == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["Account", "acme", "globex"]


def test_only_what_differs_is_sent_again_and_what_is_deleted_is_gone(
    cluster: Cluster, run: Run, crm: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(cluster, "accounts", "load", str(crm)) == 0
    more = tmp_path / "more.jsonl"
    more.write_text('{"id": "acme", "tier": "iron", "contacts": ["u-1"]}\n{"id": "globex", "tier": "iron"}\n')
    capsys.readouterr()
    assert run(cluster, "accounts", "load", str(more), "--delete", "globex") == 2
    assert "line 2, globex: it is to be deleted as well" in capsys.readouterr().err

    assert run(cluster, "accounts", "load", str(more), "--delete", "initech", "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert [(one["account_id"], one["change"]) for one in document["changes"]] == [
        ("acme", "changed"), ("globex", "unchanged"), ("initech", "not there"),
    ]  # fmt: skip
    assert values(cluster)[2:] == [(b"acme", {**ACME, "tier": "iron", "contacts": ["u-1"]})]

    assert run(cluster, "accounts", "load", "--delete", "globex") == 0
    assert capsys.readouterr().out.endswith("1 deleted; sent 1 record to nps.accounts\n")
    assert values(cluster)[3:] == [(b"globex", None)]
    assert run(cluster, "accounts", "show", "globex") == 1
    assert capsys.readouterr().err == (
        "npstream: nps.accounts has no facts of globex: is the ID exact? npstream accounts list shows all\n"
    )


def test_what_scoring_would_not_use_is_not_shown(cluster: Cluster, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    cluster.send(topics.ACCOUNTS, [(b"acme", b'{"tier": "gold"}', ()), (b"acme", b"no json", ()), (b"globex", b"[]", ())])
    assert run(cluster, "accounts", "list", "--json") == 0
    assert json.loads(capsys.readouterr().out) == {"accounts": [{"account_id": "acme", "tier": "gold"}]}


def test_a_file_with_faults_is_refused_as_a_whole(
    cluster: Cluster, run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "crm.csv"
    path.write_text("account_id,tz\nacme,Europe/Vienna\nglobex,Vienna\n")
    assert run(cluster, "accounts", "load", str(path)) == 2
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith(f"npstream: {path}: line 3, globex: time_zone: 'Vienna' is no name")
    assert second.endswith("nothing was sent: mend the file, and load it again")
    assert cluster.records(topics.ACCOUNTS) == []


def test_without_anything_to_do_it_says_so(cluster: Cluster, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(cluster, "accounts", "load") == 2
    assert "name a file, or --delete an account" in capsys.readouterr().err
    assert run(cluster, "accounts", "list") == 0
    assert capsys.readouterr().out == "No accounts: npstream accounts load FILE sends some.\n"
