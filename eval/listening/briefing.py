"""What raters read and are asked besides sounds: Markdown and a YAML of questions, the runner's own or the page's."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from codec.errors import CodecError, first_error

QuestionKind = Literal["text", "number", "choice"]
MAX_FILE = 100_000
MAX_ANSWER = 500
MAX_COMMENT = 1000


@dataclass(frozen=True)
class Question:
    """Asked before the test.

    Attributes:
        id: column of the answers' table.
        text: of the question.
        kind: of the answer.
        options: to choose from.
        optional: may stay without an answer.
    """

    id: str
    text: str
    kind: QuestionKind = "text"
    options: tuple[str, ...] = ()
    optional: bool = False


@dataclass(frozen=True)
class Briefing:
    """The briefing of a study.

    Attributes:
        instructions: Markdown on the first page; empty: the page's own words.
        consent: Markdown beside the box that must be ticked; empty: the page's own.
        questions: asked there.
        comments: a field for remarks with every trial.
        completion: shown to who has finished everything: a code, or an https address to go on to.
    """

    instructions: str = ""
    consent: str = ""
    questions: tuple[Question, ...] = ()
    comments: bool = False
    completion: str = ""

    def shown(self) -> dict[str, Any]:
        """What a page gets before somebody joins: everything but the completion."""
        return {
            "instructions": as_html(self.instructions),
            "consent": as_html(self.consent),
            "questions": [vars(question) for question in self.questions],
        }

    def check(self, answers: dict[str, str]) -> str:
        """What is wrong with answers; empty if nothing is."""
        if strange := answers.keys() - {question.id for question in self.questions}:
            return f"no such question: {min(strange)[:40]}"
        for question in self.questions:
            answer = answers.get(question.id, "").strip()
            if not answer and not question.optional:
                return f"please answer: {question.text}"
            number = answer.replace(".", "", 1).isdecimal() or question.kind != "number"
            if answer and (len(answer) > MAX_ANSWER or not number or (question.options and answer not in question.options)):
                return f"not an answer to: {question.text}"
        return ""


def read_briefing(
    instructions: Path | None, consent: Path | None, questions: Path | None, comments: bool, completion: str
) -> Briefing:
    """Reads a briefing from files.

    Args:
        instructions: Markdown.
        consent: Markdown.
        questions: YAML, a list of mappings as `Question` has them.
        comments: ask for remarks.
        completion: a code or an https address.

    Raises:
        CodecError: a file is missing, too large or makes no sense.
    """
    texts = ["" if path is None else _read(path) for path in (instructions, consent)]
    if "://" in completion and not completion.startswith("https://"):
        raise CodecError(f"completion {completion!r}: a code, or an address that begins with https://")
    return Briefing(texts[0], texts[1], _questions(questions) if questions else (), comments, completion)


def _questions(path: Path) -> tuple[Question, ...]:
    from pydantic import TypeAdapter, ValidationError

    try:
        import yaml
    except ImportError as error:
        raise CodecError("questions need pyyaml: pip install 'semcodec[web]'") from error
    try:
        found = TypeAdapter(tuple[Question, ...]).validate_python(yaml.safe_load(_read(path)))
    except yaml.YAMLError as error:
        raise CodecError(f"{path}: not YAML ({' '.join(str(error).split())[:200]})") from error
    except ValidationError as error:
        raise CodecError(f"{path}: not a list of questions ({first_error(error)})") from error
    ids = [question.id for question in found]
    for question in found:
        if ids.count(question.id) > 1 or not question.id.isidentifier():
            raise CodecError(f"{path}: question {question.id!r} needs an id of its own, letters and digits")
        if (question.kind == "choice") != bool(question.options):
            raise CodecError(f"{path}: question {question.id!r}: options belong to kind: choice, and to nothing else")
    return found


def _read(path: Path) -> str:
    try:
        if path.stat().st_size > MAX_FILE:
            raise CodecError(f"{path}: too large")
        return path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise CodecError(f"{path}: {getattr(error, 'strerror', None) or 'is not UTF-8'}") from error


def as_html(markdown: str) -> str:
    r"""Markdown without raw HTML: whatever stands in it, no script comes out.

    Raises:
        CodecError: markdown-it-py is not installed.

    Example:
        >>> as_html("*Listen* <b>well</b>")
        '<p><em>Listen</em> &lt;b&gt;well&lt;/b&gt;</p>\n'
    """
    if not markdown:
        return ""
    try:
        from markdown_it import MarkdownIt
    except ImportError as error:
        raise CodecError("instructions need markdown-it-py: pip install 'semcodec[web]'") from error
    return str(MarkdownIt("commonmark", {"html": False}).disable("image").render(markdown))
