"""The documents for who runs npstream and who consumes its events say what the code does."""

import ast
import json
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from npstream.access import ACCESS
from npstream.hosting import processors
from npstream.settings import AGENTS, Settings
from npstream.settings_sources import declared
from schemas import cloudevents, topics
from schemas.contract import CLOUD_EVENTS
from schemas.dead_letters import Reason
from schemas.examples import EXAMPLES
from schemas.vendors import ADAPTERS
from streams.metrics import EngineMetrics
from streams.phase import Phase
from streams.task_name import TaskName
from tests.metric_catalogue import catalogue
from tests.unit.test_alerts import alerts

ROOT = Path(__file__).parents[2]
CONSUMERS, OPERATIONS, METRICS = (
    (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8") for name in ("consumers", "operations", "metrics")
)


def section(page: str, title: str) -> str:
    """The text under a heading of the second level."""
    found = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL)
    assert found is not None, title
    return found[1]


def rows(text: str) -> list[list[str]]:
    """The cells of all rows of all tables, without their heads."""
    found = []
    for table in re.findall(r"((?:^\|.*\n)+)", text, re.MULTILINE):
        found += [[cell.strip() for cell in line.strip("|\n").split(" | ")] for line in table.splitlines()[2:]]
    return found


def quoted(text: str) -> list[str]:
    """What stands between back-ticks."""
    return re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))


# metrics.md


def test_every_metric_is_documented_as_it_is_declared() -> None:
    documented = {
        quoted(name)[0]: (kind, tuple(quoted(labels)), text)
        for name, kind, labels, text in (
            re.fullmatch(r"\| (`npstream_\w+`) \| (\w+) \|(.*?)\| (.*) \|", line).groups()  # type: ignore[union-attr]
            for line in METRICS.splitlines()
            if line.startswith("| `npstream_")
        )
    }
    assert documented == {metric.name: (metric.kind, metric.labels, metric.help) for metric in catalogue()}


def test_every_label_of_a_metric_is_documented_with_its_values() -> None:
    values = {
        name: set(quoted(cell)) for names, cell in rows(section(METRICS, "What the labels are")) for name in quoted(names)
    }
    assert set(values) == {label for metric in catalogue() for label in metric.labels}
    assert values["unit"] == set(AGENTS)
    assert values["phase"] == {phase.name.lower() for phase in Phase}
    assert values["source"] == {*ADAPTERS, "other"}
    assert values["outcome"] == outcomes()
    assert set(Reason) <= set(quoted((ROOT / "docs" / "payloads.md").read_text(encoding="utf-8")))


def outcomes() -> set[str]:
    """What becomes of a transaction, as the series that exist from the start say."""
    registry = CollectorRegistry()
    EngineMetrics(registry, "", ()).declare_unit("scoring")
    return {
        sample.labels["outcome"] for family in registry.collect() for sample in family.samples if "outcome" in sample.labels
    }


def test_queries_ask_for_series_that_there_are() -> None:
    samples = set().union(*(metric.samples for metric in catalogue()))
    asked = re.findall(r"\bnpstream_\w+", section(METRICS, "Queries to begin with"))
    assert set(asked) - samples == set()
    assert len(asked) > 5


# operations.md


def test_the_permissions_are_those_of_the_code_and_the_sources_those_of_the_agents() -> None:
    table = {row[0]: row[1:] for row in rows(section(OPERATIONS, "Permissions")) if row[0] in AGENTS}
    assert set(table) == set(ACCESS) == set(AGENTS)
    for agent, access in ACCESS.items():
        task = TaskName(Settings().app_id, agent, 0)
        reads, writes, group, ids = (quoted(cell) for cell in table[agent])
        assert reads == [*sorted(access.reads), task.changelog]
        assert writes == [*sorted(access.writes), task.changelog]
        assert group == [task.group]
        assert task.transactional_id == f"{ids[0]}0"
        assert {topic for one in processors(agent, Settings()) for topic in one.sources} == access.reads


def texts(nodes: Iterator[ast.AST]) -> Iterator[str]:
    """The fixed parts of each string that a node holds, with ... for the rest."""
    for node in nodes:
        if isinstance(node, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "..." for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield re.sub(r"%[sdgr]", "...", node.value)


def called(module: Path, names: set[str]) -> list[str]:
    """The first argument of each call of these names (of a function, an exception or a method), as `texts` gives it."""
    calls = [
        node for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))) if isinstance(node, ast.Call) and node.args
    ]
    named = [node for node in calls if (getattr(node.func, "id", None) or getattr(node.func, "attr", None)) in names]
    return list(texts(node.args[0] for node in named))


def says(phrase: str, text: str) -> bool:
    """Whether a text contains a phrase, in which ... stands for anything."""
    return re.search(".*".join(map(re.escape, phrase.split("..."))), text) is not None


def phrases(title: str) -> list[str]:
    return [phrase for row in rows(section(OPERATIONS, title)) for phrase in quoted(row[0])]


def test_every_refusal_is_explained_and_nothing_else() -> None:
    modules = [ROOT / "streams" / f"{name}.py" for name in ("opening", "checking", "changelog", "execution", "state_version")]
    modules += (ROOT / "agents").glob("*.py")
    kinds = {"Refusal", "ForeignGroup", "ChangelogUnreadable", "StateUnreadable", "WindowsChanged"}
    refusals = [text for module in modules for text in called(module, kinds)]
    # The others only pass an error on, which is explained itself.
    own = [text for text in refusals if not re.fullmatch(r"\.\.\.: \.\.\.(;.*)?", text)]
    explained = phrases("When a task refuses")
    assert [text for text in own if not any(says(phrase, text) for phrase in explained)] == []
    assert [phrase for phrase in explained if not any(says(phrase, text) for text in own)] == []


def test_every_warning_and_error_of_the_log_is_explained_and_nothing_else() -> None:
    modules = [
        *(ROOT / "streams").glob("*.py"),
        *(ROOT / "npstream" / f"{n}.py" for n in ("worker", "admission", "processes", "lifeline")),
    ]
    logged = [text for module in modules for text in called(module, {"warning", "error", "exception"})]
    logged = [text.replace("...; trying again", "waiting for the broker; trying again") if text == "...; trying again" else text
              for text in logged if text != "..."]  # fmt: skip
    explained = phrases("What the log says")
    assert [text for text in logged if not any(says(phrase, text) for phrase in explained)] == []
    assert [phrase for phrase in explained if not any(says(phrase, text) for text in logged)] == []


def test_every_line_of_ready_is_explained() -> None:
    explained = " ".join(quoted(" ".join(row[0] for row in rows(section(OPERATIONS, "Is it well?")))))
    states = {phase.name.lower() for phase in Phase} - {"running", "refused", "closed"}
    for line in (
        "starting",
        "stopping",
        "waiting for the broker: ",
        "has not joined its group yet",
        "its group is rebalancing",
        "source topic ",
        "has not answered for",
        ", and is started again",
    ):
        source = [ROOT / "npstream" / "worker.py", ROOT / "npstream" / "processes.py", ROOT / "streams" / "unit.py"]
        assert any(line in module.read_text(encoding="utf-8") for module in source)
        assert line in explained
    assert [state for state in states if state not in explained] == []


def test_every_alert_is_explained() -> None:
    explained = {quoted(name)[0]: severity for name, severity, _ in rows(section(OPERATIONS, "Alerts"))}
    assert explained == {name: rule["labels"]["severity"] for name, rule in alerts().items()}


@pytest.mark.parametrize("page", [CONSUMERS, OPERATIONS], ids=["consumers", "operations"])
def test_what_looks_like_a_setting_or_a_topic_is_one(page: str) -> None:
    words = quoted(page)
    named = {word.partition("=")[0] for word in words if re.fullmatch(r"[a-z]+(_[a-z]+)+(=\w+)?", word)}
    others = {field for example in EXAMPLES.values() for field in example}
    others |= {header for header, _ in cloudevents.event_headers("", "", "", 0)}
    others |= {metric.name for metric in catalogue()}
    isolation = {"read_committed", "read_uncommitted"}
    assert named - others - isolation <= set(declared(Settings))
    assert named & set(declared(Settings))
    written = {word for word in words if re.fullmatch(r"nps(\.[a-z]+)+", word)}
    assert written - set(cloudevents.TYPES) <= set(topics.BY_NAME)


# consumers.md


def test_topics_keys_types_and_retention_are_those_of_the_code() -> None:
    table = {quoted(row[0])[0]: row[1:] for row in rows(section(CONSUMERS, "Topics"))}
    types = {topic.name: CLOUD_EVENTS[topic.schema] for topic in topics.TOPICS if topic.schema in CLOUD_EVENTS}
    assert set(types.values()) == set(cloudevents.TYPES)
    assert {name: (quoted(kind)[0], key, kept) for name, (kind, key, kept, _) in table.items()} == {
        name: (kind, topics.BY_NAME[name].key, f"{topics.BY_NAME[name].retention_days} days") for name, kind in types.items()
    }


def test_the_headers_are_those_that_are_sent() -> None:
    sent = [name for name, _ in cloudevents.event_headers(cloudevents.DETRACTOR, "npstream", "id", 0, b"00-1-2-01")]
    assert sorted(quoted(row[0])[0] for row in rows(section(CONSUMERS, "Headers"))) == sorted(sent)


SNIPPETS = re.findall(r"<!-- (examples/\w+\.py) -->\n```python\n(.*?)```", CONSUMERS, re.DOTALL)


@pytest.mark.parametrize(("file", "snippet"), SNIPPETS)
def test_a_snippet_is_lines_of_its_example(file: str, snippet: str) -> None:
    lines = (ROOT / file).read_text(encoding="utf-8").splitlines()
    length = len(snippet.splitlines())
    parts = (textwrap.dedent("\n".join(lines[start : start + length])) for start in range(len(lines)))
    assert snippet.rstrip("\n") in parts


def test_both_clients_are_shown_and_no_python_is_shown_that_is_not_run() -> None:
    assert {file for file, _ in SNIPPETS} == {"examples/detractors_aiokafka.py", "examples/detractors_confluent.py"}
    assert CONSUMERS.count("```python") == len(SNIPPETS)


@pytest.mark.parametrize(("name", "shown"), re.findall(r"<!-- example: (\w+) -->\n```json\n(.*?)```", CONSUMERS, re.DOTALL))
def test_an_event_is_shown_as_in_the_contract(name: str, shown: str) -> None:
    assert json.loads(shown) == EXAMPLES[name]
