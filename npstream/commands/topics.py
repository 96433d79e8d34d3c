"""npstream topics: show, create and check the topics."""

import click
from rich import box
from rich.table import Table
from rich.text import Text

from npstream.admin import TIMEOUT_S, Admin, Code, FoundTopic, connect
from npstream.checks import check_topics
from npstream.commands.check import report
from npstream.failures import CheckFailed
from npstream.invocation import pass_settings, run_async
from npstream.settings import Settings
from npstream.terminal import console, print_json
from npstream.topic_checks import Configs
from npstream.topic_plan import PlannedTopic, planned_topics, retention

timeout_option = click.option(
    "--timeout", "timeout_s", type=click.FloatRange(0.1), default=TIMEOUT_S, show_default=True, help="Seconds for each call."
)
json_option = click.option("--json", "as_json", is_flag=True, help="JSON instead of a table.")


@click.group(help="Show, create and check the topics, changelogs included.")
def command() -> None:
    """The group."""


@command.command(help="Show the topics as the cluster has them.")
@timeout_option
@json_option
@pass_settings
def show(settings: Settings, timeout_s: float, as_json: bool) -> None:
    """A table of what is there."""

    async def look() -> tuple[dict[str, FoundTopic], Configs]:
        async with connect(settings.connection(), timeout_s) as admin:
            return await _look(admin, plan)

    plan = planned_topics(settings)
    found, configs = run_async(settings, look())
    if as_json:
        print_json([_as_json(found[topic.name], configs.get(topic.name)) for topic in plan])
        return
    grid = _grid()
    for topic in plan:
        grid.add_row(*_row(found[topic.name], configs.get(topic.name)))
    console().print(grid)


@command.command(help="Create the topics that are missing. What is there stays as it is.")
@click.option("--partitions", type=int, help="Partitions of each new topic (setting partitions); fixed for life.")
@click.option("--replication", type=int, help="Copies of each new topic (setting replication); -1: the broker's default.")
@click.option("--dry-run", is_flag=True, help="Only say what would be created.")
@timeout_option
@pass_settings
def create(settings: Settings, partitions: int | None, replication: int | None, dry_run: bool, timeout_s: float) -> None:
    """Create what is missing, and show all."""
    settings = settings.override(partitions=partitions, replication=replication)
    plan = planned_topics(settings)
    out = console()
    found, new = run_async(settings, _create(settings, plan, dry_run, timeout_s))
    grid = _grid("State")
    for topic in plan:
        state = found[topic.name]
        if topic.name in new:
            word = Text("would be created" if dry_run else "created", "green")
            copies = state.replication or topic.replication
            grid.add_row(*_planned_row(topic, copies), word)
        else:
            grid.add_row(topic.name, str(state.partitions), str(state.replication), *_kept(topic.config), Text("there", "dim"))
    out.print(grid)
    if not new:
        out.print("Nothing to create.")


async def _create(
    settings: Settings, plan: list[PlannedTopic], dry_run: bool, timeout_s: float
) -> tuple[dict[str, FoundTopic], set[str]]:
    """The topics as they are afterwards, and the names of the new ones. A dry run sends nothing: some brokers create even
    what they should only validate."""
    names = [topic.name for topic in plan]
    async with connect(settings.connection(), timeout_s) as admin:
        found = await admin.topics(names)
        _refuse_other_counts(plan, found)
        missing = [topic for topic in plan if found[topic.name].code == Code.UNKNOWN_TOPIC]
        if dry_run or not missing:
            return found, {topic.name for topic in missing}
        created = await admin.create(missing)
        return await admin.topics(names), set(created)


def _refuse_other_counts(plan: list[PlannedTopic], found: dict[str, FoundTopic]) -> None:
    """All topics have one partition count: what is there decides. Raises CheckFailed before anything is created."""
    other = [
        found[topic.name] for topic in plan if found[topic.name].exists and found[topic.name].partitions != topic.partitions
    ]
    if other:
        first = other[0]
        raise CheckFailed(
            f"{first.name} has {first.partitions} partitions, {plan[0].partitions} were asked for, and all need the same: "
            f"use --partitions {first.partitions} (or the setting partitions); nothing was created"
        )
    hidden = [topic.name for topic in plan if found[topic.name].code == Code.TOPIC_AUTHORIZATION_FAILED]
    if hidden:
        raise CheckFailed(f"this user may not see {', '.join(hidden)}: allow Describe on them, or use an administrator's login")


@command.command(help="Compare the topics with what they must be. Exit code 1 if something must be changed.")
@timeout_option
@json_option
@pass_settings
def check(settings: Settings, timeout_s: float, as_json: bool) -> None:
    """One line for each deviation."""
    report(run_async(settings, check_topics(settings, timeout_s)), as_json)


async def _look(admin: Admin, plan: list[PlannedTopic]) -> tuple[dict[str, FoundTopic], Configs]:
    names = [topic.name for topic in plan]
    found = await admin.topics(names)
    return found, await admin.topic_configs([name for name in names if found[name].exists])


def _grid(*more: str) -> Table:
    grid = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
    grid.add_column("Topic", overflow="fold")
    grid.add_column("Partitions", justify="right")
    grid.add_column("Copies", justify="right")
    grid.add_column("Clean-up")
    grid.add_column("Retention", justify="right")
    for title in more:
        grid.add_column(title)
    return grid


def _row(state: FoundTopic, config: dict[str, str] | None) -> list[str | Text]:
    if not state.exists:
        return [state.name, Text("missing" if state.code == Code.UNKNOWN_TOPIC else "hidden", "bold red"), "", "", ""]
    return [state.name, str(state.partitions), str(state.replication), *_kept(config)]


def _planned_row(topic: PlannedTopic, copies: int) -> list[str | Text]:
    return [topic.name, str(topic.partitions), "default" if copies < 0 else str(copies), *_kept(topic.config)]


def _kept(config: dict[str, str] | None) -> list[str]:
    """Clean-up and retention; a question mark where the broker does not tell."""
    if config is None:
        return ["?", "?"]
    policy = config.get("cleanup.policy", "?")
    kept = config.get("retention.ms")
    return [policy, retention(int(kept)) if kept is not None and "delete" in policy else "-"]


def _as_json(state: FoundTopic, config: dict[str, str] | None) -> dict[str, object]:
    kept = (config or {}).get("retention.ms")
    policy = (config or {}).get("cleanup.policy")
    return {
        "name": state.name,
        "exists": state.exists,
        "partitions": state.partitions,
        "replication": state.replication,
        "clean_up": policy,
        "retention_ms": int(kept) if kept is not None and policy is not None and "delete" in policy else None,
    }
