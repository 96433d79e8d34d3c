"""npstream rebuild: what it says before it does anything, and when it does nothing. What comes of it is in
test_damaged_changelogs.py."""

from collections.abc import Callable

import pytest

from schemas import topics
from tests.integration.cluster import PARTITIONS, Cluster, Run
from tests.kafka.topics import TopicAdmin

SETTINGS = ("--set", f"partitions={PARTITIONS}")


@pytest.fixture
def rebuild(run: Run, cluster: Cluster, app_id: str) -> Callable[..., int]:
    """Run it for scoring, whose changelog is there."""
    TopicAdmin(cluster.connection.bootstrap).create(f"{app_id}-scoring-changelog", partitions=PARTITIONS)
    return lambda *flags: run(cluster, *SETTINGS, "rebuild", "--agent", "scoring", *flags)


def test_it_says_what_it_would_do_and_does_nothing(
    rebuild: Callable[..., int], cluster: Cluster, app_id: str, capsys: pytest.CaptureFixture[str]
) -> None:
    cluster.send(f"{app_id}-scoring-changelog", [(b"k", b"v", ())])
    assert rebuild("--dry-run") == 0
    told = capsys.readouterr().out.splitlines()
    assert told[:3] == [
        f"delete topic {app_id}-scoring-changelog, the state of scoring",
        f"create topic {app_id}-scoring-changelog with {PARTITIONS} partitions",
        f"delete group {app_id}-scoring with its offsets",
    ]
    assert topics.RESPONSES in told[3]
    assert "with the ce_id that it had" in told[3]
    assert rebuild() == 2  # nobody is there to be asked
    assert "with --yes; nothing was changed" in capsys.readouterr().err
    assert len(cluster.records(f"{app_id}-scoring-changelog")) == 1
    assert cluster.records(topics.CELLS) == []


def test_it_deletes_and_creates_and_may_be_done_again(
    rebuild: Callable[..., int], cluster: Cluster, app_id: str, capsys: pytest.CaptureFixture[str]
) -> None:
    cluster.send(f"{app_id}-scoring-changelog", [(b"k", b"v", ())])
    for _ in range(2):
        assert rebuild("--yes") == 0, capsys.readouterr().err
        assert cluster.records(f"{app_id}-scoring-changelog") == []
    assert len(cluster.records(topics.CELLS)) == 2 * PARTITIONS * PARTITIONS
    assert capsys.readouterr().out.splitlines()[-1] == "done: start the workers, and scoring counts again"


@pytest.mark.parametrize(
    ("damage", "line"),
    [
        (lambda admin: admin.delete(topics.RESPONSES), f"{topics.RESPONSES} is missing: run npstream topics create first"),
        (
            lambda admin: (admin.delete(topics.RESPONSES), admin.create(topics.RESPONSES, partitions=PARTITIONS + 1)),
            f"{topics.RESPONSES} has {PARTITIONS + 1} partitions, the setting partitions says {PARTITIONS}",
        ),
    ],
)
def test_it_does_nothing_while_the_source_is_not_as_it_must_be(
    rebuild: Callable[..., int],
    cluster: Cluster,
    app_id: str,
    capsys: pytest.CaptureFixture[str],
    damage: Callable[[TopicAdmin], object],
    line: str,
) -> None:
    damage(TopicAdmin(cluster.connection.bootstrap))
    cluster.send(f"{app_id}-scoring-changelog", [(b"k", b"v", ())])
    assert rebuild("--yes") == 1
    assert capsys.readouterr().err.startswith(f"npstream: {line}")
    assert len(cluster.records(f"{app_id}-scoring-changelog")) == 1
