"""`npstream produce` that was interrupted: where it goes on, and when it begins anew."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from npstream import resuming
from tests.producing import HEADER, Sent, run, write
from tests.producing import sent as sent


def many(count: int) -> str:
    return HEADER + "\n" + "".join(f"r-{n},acme,9,2026-03-01\n" for n in range(count))


def ids(sent: Sent) -> list[str]:
    return [one["response_id"] for one in sent.values()]


@pytest.mark.parametrize("said", [[], ["--resume", "state"]])
def test_what_was_interrupted_goes_on_where_it_was_acknowledged(sent: Sent, said: list[str]) -> None:
    state = Path(said[1] if said else "a.csv.npstream-resume")
    sent.fails_at = 700
    code, _, _ = run(*said, write("a.csv", many(1100)))
    assert (code, state.exists()) == (2, True)
    sent.fails_at = -1
    code, out, err = run(*said, "a.csv")
    assert (code, state.exists()) == (0, False)
    assert err.startswith("a.csv: goes on after 500 rows that an interrupted run has sent")
    assert out.endswith(", 500 rows sent before\n")
    assert ids(sent) == [f"r-{n}" for n in (*range(700), *range(500, 1100))]


@pytest.mark.parametrize(
    "change",
    [
        lambda: (["a.csv"], write("a.csv", many(1101))),
        lambda: (["a.csv"], write("a.csv", many(1100).replace("acme", "ACME"))),
        lambda: (["--account", "other", "a.csv"], None),
        lambda: (["--topic", "other", "a.csv"], None),
    ],
)
def test_another_file_or_another_reading_of_it_begins_anew(sent: Sent, change: Callable[[], tuple[list[str], object]]) -> None:
    sent.fails_at = 700
    run(write("a.csv", many(1100)))
    sent.fails_at = -1
    before = len(sent.records)
    arguments, _ = change()
    code, _, err = run(*arguments)
    assert (code, "goes on" in err) == (0, False)
    assert len(sent.records) - before >= 1100


def test_a_file_by_another_name_goes_on_where_states_are_together(sent: Sent) -> None:
    sent.fails_at = 700
    run("--resume", "state", write("a.csv", many(1100)))
    sent.fails_at = -1
    Path("a.csv").rename("b.csv")
    assert "b.csv: goes on after 500 rows" in run("--resume", "state", "b.csv")[2]


def test_several_files_share_a_state_and_each_goes_on(sent: Sent) -> None:
    sent.fails_at = 1700
    Path("state").write_text('{"of another file": 7}')
    names = [
        write("a.csv", many(400)),
        write("b.csv", many(600).replace("r-", "s-")),
        write("c.csv", many(1200).replace("r-", "t-")),
    ]
    assert run("--resume", "state", *names)[0] == 2
    assert sorted(json.loads(Path("state").read_text()).values()) == [7, 400, 500, 600]
    sent.fails_at = -1
    before = len(sent.records)
    assert run("--resume", "state", *names)[0] == 0
    assert ids(sent)[before:] == [f"t-{n}" for n in range(500, 1200)]
    assert json.loads(Path("state").read_text()) == {"of another file": 7}


def test_made_ids_are_the_same_after_an_interruption(sent: Sent) -> None:
    text = "account_id,score,responded_at\n" + "acme,9,2026-03-01\n" * 1200
    sent.fails_at = 700
    run(write("a.csv", text))
    sent.fails_at = -1
    run("a.csv")
    assert len(ids(sent)) == 1400
    assert len(set(ids(sent))) == 1200


def test_after_a_faulty_row_the_rest_follows_once_it_is_skipped(sent: Sent) -> None:
    text = many(700) + "r-x,acme,x,2026-03-01\n" + "r-y,acme,9,2026-03-01\n"
    assert run(write("a.csv", text))[0] == 1
    assert run("--skip-faulty", "a.csv")[0] == 0
    assert sorted(set(ids(sent))) == sorted([*(f"r-{n}" for n in range(700)), "r-y"])
    assert len(ids(sent)) < 1000


def test_a_state_file_that_is_none_is_refused(sent: Sent) -> None:
    code, _, err = run("--resume", write("state", "[]"), write("a.csv", many(1)))
    assert (code, err) == (2, "state: no state of npstream produce; remove it, or name another one with --resume\n")


def test_a_state_that_cannot_be_written_is_refused_where_it_was_asked_for(sent: Sent) -> None:
    code, _, err = run("--resume", "no/folder/state", write("a.csv", many(1)))
    assert (code, err) == (2, "no/folder/state: no folder that can be written; name another state file with --resume\n")
    assert sent.records == []


def test_a_folder_that_takes_no_state_takes_no_harm(sent: Sent, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resuming, "SAVE_EVERY_S", 0)
    monkeypatch.setattr(resuming.os, "replace", lambda *_: (_ for _ in ()).throw(PermissionError(13, "Permission denied")))
    assert run(write("a.csv", many(1100)))[0] == 0
    assert len(sent.records) == 1100


def test_a_finished_file_leaves_nothing_behind(sent: Sent, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resuming, "SAVE_EVERY_S", 0)
    assert run(write("a.csv", many(1100)))[0] == 0
    assert [path.name for path in Path().iterdir()] == ["a.csv"]
