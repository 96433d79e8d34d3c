"""Chooses the template of a first message, and renders it.

A template is Jinja2: its first line is `Subject: ...`, the rest is the text. The immutable sandbox runs it: it can reach
nothing but what it is given (`npstream.care.touch_view`) and the files that were read (`npstream.care.touch_files`). All are
compiled, and rendered once, when a worker starts; the same case at the same time comes to the same message.
"""

import re
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import tzinfo
from typing import Any, Final, NamedTuple

import msgspec
from jinja2 import FunctionLoader, StrictUndefined, Template, TemplateSyntaxError
from jinja2.sandbox import ImmutableSandboxedEnvironment
from msgspec import UNSET

from agents.outreach_rules import Message
from npstream.care.touch_files import SHIPPED, SourceFile, languages, locale_of, shipped_files
from npstream.care.touch_view import Words, one_line, view_of
from schemas.cases import Case
from schemas.events import Severity
from schemas.examples import EXAMPLES
from schemas.times import parse_time

SEVERITIES: Final[tuple[Severity, ...]] = ("critical", "high", "elevated")
LAST_LOCALE: Final = "en"
"""The language in which every shipped message is."""
SUBJECT: Final = "Subject:"
SUBJECT_CHARS: Final = 150
"""Longer ones are cut: a mail programme shows half of that."""
TEXT_CHARS: Final = 10_000
"""Longest text: a first message has a tenth of it. Whatever a template does, it ends there."""
_VIEW: Final = re.compile(r"npstream\.care\.touch_view\.(\w+)View object")


class TemplateInvalid(ValueError):
    """A template that cannot be used: the message has the file, the line and what is wrong there."""


@dataclass(frozen=True)
class Own:
    """A message of one's own: in which files it is, by locale in lower case, and whom it is for."""

    name: str
    files: Mapping[str, str]
    place: str
    """Where the care file names it."""
    severities: frozenset[str] = frozenset()
    """Empty: all."""
    segments: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Of each dimension one of these values; empty: all."""

    def fits(self, case: Case) -> bool:
        """Whether it is for this case."""
        if self.severities and case.severity not in self.severities:
            return False
        segments = case.segments or {}
        return all(segments.get(dimension) in values for dimension, values in self.segments.items())


class Choice(NamedTuple):
    """Which file was chosen, and why."""

    name: str
    locale: str
    file: str
    why: str


class Templates:
    """All templates. `own` are asked in their order, before the shipped ones; each must be there in the default locale or in
    the last one. Raises TemplateInvalid for a mistake in one."""

    def __init__(
        self,
        words: Words,
        zones: Callable[[str | None], tzinfo],
        own: Sequence[Own] = (),
        files: Mapping[str, SourceFile] | None = None,
        default_locale: str = LAST_LOCALE,
    ) -> None:
        self._words = words
        self._zones = zones
        self._own = tuple(own)
        self._default = default_locale.replace("_", "-").lower()
        self._files = {**shipped_files(), **(files or {})}
        self._shipped = {severity: languages(SHIPPED + severity, self._files) for severity in SEVERITIES}
        self._environment = _environment(self._files)
        messages = [*self._shipped.values(), *(one.files for one in self._own)]
        self._templates = {file: self._compiled(file) for message in messages for file in message.values()}

    def choose(self, case: Case) -> Choice:
        """The file for a case, by severity, segments and locale."""
        for one in self._own:
            if one.fits(case):
                return self._in_language(one.name, one.files, case, one.place)
        return self._fallback(case)

    def render(self, case: Case, now: int) -> Message:
        """The message to a case's respondent, at `now` in ms UTC: the shipped one, if one's own fails."""
        choice = self.choose(case)
        try:
            return self._message(choice, case, now)
        except Exception:  # whatever a template of somebody else's may raise: a customer is not to wait for it
            return self._message(self._fallback(case), case, now)._replace(failed=choice.name)

    def check(self) -> None:
        """Render all of them for an example, and for one of which as little is known as can be. Raises TemplateInvalid."""
        full = msgspec.convert(EXAMPLES["Case"], Case)
        said = msgspec.structs.replace(full.responses[0], comment=UNSET, themes=UNSET, sentiment=UNSET)
        bare = msgspec.structs.replace(
            full, owner=UNSET, account=UNSET, segments=UNSET, first_response_due=UNSET, responses=[said]
        )
        for case in (full, bare):
            for file in self._templates:
                try:
                    self._message(Choice("", locale_of(file), file, ""), case, parse_time(full.opened_at))
                except Exception as error:  # it is a mistake of whoever wrote it, to be told in one line
                    raise TemplateInvalid(f"{self._place(error, file)}: {_told(error)}") from None

    def path(self, choice: Choice) -> str:
        """Where a chosen file is."""
        return self._files[choice.file].path

    def _fallback(self, case: Case) -> Choice:
        """A shipped one."""
        return self._in_language(case.severity, self._shipped[case.severity], case, "shipped, for its severity")

    def _in_language(self, name: str, files: Mapping[str, str], case: Case, why: str) -> Choice:
        wanted = "" if case.locale is UNSET else case.locale.replace("_", "-").lower()
        for locale, because in (
            (wanted, "the respondent's locale"),
            (wanted.partition("-")[0], "the respondent's language"),
            (self._default, "the default locale"),
        ):
            if locale in files:
                return Choice(name, locale_of(files[locale]), files[locale], f"{why}; {because}")
        return Choice(name, LAST_LOCALE, files[LAST_LOCALE], f"{why}; the last locale")

    def _message(self, choice: Choice, case: Case, now: int) -> Message:
        view = view_of(case, now, self._words, self._zones)
        subject, text = _parts(_rendered(self._templates[choice.file], {**view, "locale": choice.locale}))
        return Message(subject, text, choice.name, choice.locale)

    def _compiled(self, file: str) -> Template:
        try:
            return self._environment.get_template(file)
        except TemplateSyntaxError as error:
            raise TemplateInvalid(f"{error.filename or file}:{error.lineno}: {_told(error)}") from None

    def _place(self, error: Exception, file: str) -> str:
        """The file and line of the innermost template in which an error happened."""
        if isinstance(error, TemplateSyntaxError):
            return f"{error.filename or file}:{error.lineno}"
        paths = {one.path for one in self._files.values()}
        lines = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename in paths]
        return f"{lines[-1].filename}:{lines[-1].lineno}" if lines else self._files[file].path


def _environment(files: Mapping[str, SourceFile]) -> ImmutableSandboxedEnvironment:
    def load(name: str) -> tuple[str, str, Callable[[], bool]] | None:
        file = files.get(name)
        return None if file is None else (file.text, file.path, lambda: True)

    environment = ImmutableSandboxedEnvironment(
        loader=FunctionLoader(load),
        undefined=StrictUndefined,
        autoescape=False,  # it is plain text
        auto_reload=False,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    # A repeat must come to the same message.
    environment.globals.pop("lipsum")
    environment.filters.pop("random")
    return environment


def _rendered(template: Template, view: dict[str, Any]) -> str:
    text: list[str] = []
    length = 0
    for part in template.generate(view):
        length += len(part)
        if length > TEXT_CHARS:
            raise TemplateInvalid(f"what it renders is longer than {TEXT_CHARS:,} characters")
        text.append(part)
    return "".join(text)


def _parts(rendered: str) -> tuple[str, str]:
    """Subject, which is one line, and text, in which blank lines stand alone."""
    first, _, rest = rendered.strip().partition("\n")
    if not first.startswith(SUBJECT):
        raise TemplateInvalid(f"what it renders does not begin with '{SUBJECT} ...'")
    subject = one_line(first.removeprefix(SUBJECT), SUBJECT_CHARS)
    lines: list[str] = []
    for line in rest.strip().split("\n"):
        line = line.rstrip()
        if line or (lines and lines[-1]):
            lines.append(line)
    text = "\n".join(lines)
    if not subject or not text:
        raise TemplateInvalid(f"what it renders has no {'text' if subject else 'subject'}")
    return subject, text


def _told(error: Exception) -> str:
    """An error in one line, in the words of who writes templates; what says nothing has its name."""
    return one_line(_VIEW.sub(lambda match: match[1].lower(), str(error))) or type(error).__name__
