"""npstream comments: try the themes on a comment, and show what comments are about."""

import sys
from typing import Any, Final

import click
import orjson
from rich.text import Text

from agents.themes_matching import Match
from agents.tones import TONES, tone_of
from npstream.care.comments import CommentAnalysis, read_comments
from npstream.care.file import read_care
from npstream.failures import UserError
from npstream.invocation import pass_settings, run_async
from npstream.lines import NOTHING, heading, line, printable, signed
from npstream.reading import Reader
from npstream.settings import Settings
from npstream.terminal import console, print_json
from npstream.themes_view import MATCHES, added_up, most_first, theme_lines
from schemas.topics import ACCOUNT_THEMES, SEGMENT_THEMES

STDIN: Final = "-"

json_option = click.option("--json", "as_json", is_flag=True, help="One JSON document instead of a table.")


@click.group("comments")
def command() -> None:
    """What comments are about, and how they sound: docs/comments.md."""


@command.command("try", short_help="Themes and sentiment of a text, and by which keywords.")
@click.argument("comment", metavar="TEXT")
@click.option("--locale", metavar="LOCALE", help="The respondent's, such as de or pt-BR; without it the default language.")
@json_option
@pass_settings
def try_comment(settings: Settings, comment: str, locale: str | None, as_json: bool) -> None:
    """Show which themes and sentiment come of TEXT, and which keywords were found. - reads stdin.

    \b
    npstream comments try "The export is slow" --locale en
    npstream --set care_file=care.toml comments try - < comment.txt
    """
    text = sys.stdin.buffer.read().decode(errors="replace") if comment == STDIN else comment
    analysis = read_comments(read_care(settings.care_file))
    themes, sentiment = analysis.analyser(text, locale)
    tone = tone_of(sentiment)
    matches = [] if analysis.matcher is None else analysis.matcher.matches(text, locale)
    if as_json:
        found: dict[str, Any] = {"themes": list(themes), "sentiment": sentiment, "tone": None if tone is None else TONES[tone]}
        if analysis.matcher is not None:
            found["language"] = analysis.matcher.language(locale)
            found["matches"] = [match._asdict() for match in matches]
        print_json(found)
        return
    _show(analysis, locale, matches, themes, sentiment, tone)


@command.command("top", short_help="Themes by how often, by whom and in which tone.")
@click.option("--account", metavar="ID", help="Comments of this account.")
@click.option("--segment", metavar="DIMENSION=VALUE", help="Comments of this segment, such as plan=enterprise.")
@click.option("--window", metavar="DAYS", help="One of the rolling windows, such as 30d; the headline window by default.")
@json_option
@pass_settings
def top(settings: Settings, account: str | None, segment: str | None, window: str | None, as_json: bool) -> None:
    """What comments are about: themes with how often, by whom and in which tone they are mentioned. All accounts by default.

    A comment may be about several themes, so shares may add up to more than a hundred. NPS is that of those who mention the
    theme.
    """
    if account is not None and segment is not None:
        raise click.UsageError("--account and --segment exclude each other")
    name = window or f"{settings.headline_days}d"
    lengths = [f"{days}d" for days in settings.windows_days]
    if name not in lengths:
        raise UserError(f"--window {name}: there is no such window; there are {', '.join(lengths)} (setting windows_days)")
    topic, key = (ACCOUNT_THEMES, account) if segment is None else (SEGMENT_THEMES, segment)
    tables = run_async(settings, _tables(settings, topic, key))
    found = added_up(table["windows"][name] for table in tables if name in table["windows"])
    as_of = max((table["as_of"] for table in tables), default=None)
    if as_json:
        whose = {} if key is None else {"account_id": key} if segment is None else {"segment": segment}
        themes = [{"theme": theme, **stats} for theme, stats in most_first(found)]
        print_json({**whose, "as_of": as_of, "window": name, "comments": found["comments"], "themes": themes})
        return
    out = console()
    if not found["comments"]["total"]:
        out.print(f"No comments in {name}" + ("" if key is None else f" of {printable(key)}: is it exact?"))
        return
    for row in theme_lines(found, f"{printable(key or 'All accounts')}, {name}", out.width):
        out.print(row)


async def _tables(settings: Settings, topic: str, key: str | None) -> list[dict[str, Any]]:
    """The last tables of a topic; of one key, or of all."""
    last: dict[bytes, dict[str, Any]] = {}
    wanted = None if key is None else key.encode()
    async with Reader(settings.connection(), [topic]) as reader:
        async for records in reader.to_end(topic):
            for record in records:
                if record.key is None or (wanted is not None and record.key != wanted):
                    continue
                if record.value is None:
                    last.pop(record.key, None)
                else:
                    last[record.key] = orjson.loads(record.value)
    return list(last.values())


def _show(
    analysis: CommentAnalysis,
    locale: str | None,
    matches: list[Match],
    themes: tuple[str, ...],
    sentiment: float | None,
    tone: int | None,
) -> None:
    out = console()
    read_in = "by the analyser of the care file" if analysis.matcher is None else analysis.matcher.language(locale)
    sounds = NOTHING if sentiment is None or tone is None else f"{signed(sentiment, 2)} {TONES[tone]}"
    for title, value in (("read in", read_in), ("themes", ", ".join(themes) or NOTHING), ("sentiment", sounds)):
        out.print(Text.assemble((f"{title:<12}", "dim"), printable(value)))
    if analysis.sentiment_missing:
        out.print(Text(analysis.sentiment_missing, "yellow"))
    if matches:
        out.print()
        out.print(heading(MATCHES, "Theme", out.width))
        for match in matches:
            out.print(line(MATCHES, list(match), out.width))
