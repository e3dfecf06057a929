"""Whether one answer says something: right type, not empty, no placeholder, not the form's own example.

Knows fields and values; must not know files or other answers.
"""

import re
from collections.abc import Callable, Iterator
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

from civicml.dossier.forms import Question, shown
from civicml.dossier.reading import MOST_LETTERS, markdown, tame, unknown, unprintable

FEWEST_WORDS = {"text": 4, "prose": 20}
LONGEST = {"term": 200, "role": 120, "text": 1_500, "prose": MOST_LETTERS}
_LARGEST = Decimal(10) ** 15

_PATTERNS = {
    "email": (r"[^@\s]+@[^@\s]+\.[^@\s]+", "an e-mail address"),
    "url": (r"https?://[^\s/<>\"]+\.[^\s<>\"]+", "a web address that begins with https://"),
    "model name": (r"[a-z0-9]+(-[a-z0-9]+)+", "a registered name: lower-case words joined by hyphens"),
    "run id": (r"[0-9a-f]{32}", "a run id: 32 hexadecimal digits"),
    "hash": (r"[0-9a-f]{64}", "a content hash: 64 hexadecimal digits"),
}
_TEXTS = {"text", "term", "role", "prose", *_PATTERNS}

# What people write in place of an answer: the whole of it …
_PLACEHOLDERS = {
    "na", "n a", "not applicable", "none", "nil", "nothing", "unknown", "not known", "not sure", "pending",
    "x", "xx", "xxx", "todo", "tbc", "tbd", "tba", "to follow", "see above", "as above", "see below", "same",
    "same as above", "placeholder", "test", "example", "your answer", "your answer here", "fill in",
    "fill in later", "later", "coming soon", "text", "yes", "no",
}  # fmt: skip
# … or a part of it that says that the rest is not written yet.
_UNFINISHED = re.compile(
    r"\b(?:TBC|TBD|TBA|TODO|FIXME|XXX+)\b"
    r"|(?i:\blorem ipsum\b|\bto be (?:confirmed|decided|determined|added|completed|written)\b)"
    r"|(?i:[\[<{](?:insert|your|add|enter|fill|name of|date|e\.g\.)[^\]>}]*[\]>}])"
)
# One word is letters with what joins them; a sign of Chinese or Japanese counts as one.
_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]|[^\W_\u3040-\u30ff\u3400-\u9fff](?:[\w'’-]*\w)?")

Fault = tuple[str, str]
"""Where in the answer (nothing for all of it), and what is wrong."""


def faults(question: Question, answer: object) -> Iterator[Fault]:
    """What is wrong with `answer` to `question`; nothing if it stands.

    An answer that is not there is None. An empty answer to an optional question stands.
    """
    if blank(answer):
        if not question.optional:
            yield (
                "",
                f"is empty; {_write(question)}" if answer is not None else f"is missing; {_write(question)}",
            )
    elif question.is_rows:
        yield from _row_faults(question, answer)
    elif question.type == "quantity":
        yield from _quantity_faults(question, answer)
    elif question.type == "list":
        yield from _list_faults(question, answer)
    elif says := _CHECKS[question.type](question, answer):
        yield "", says


def blank(answer: object) -> bool:
    """Whether an answer holds nothing at all."""
    match answer:
        case None:
            return True
        case str():
            return not answer.strip()
        case list() | dict():
            items = answer.values() if isinstance(answer, dict) else answer
            return all(blank(item) for item in items)
        case _:
            return False


def words(text: str) -> list[str]:
    """The words of `text`, in lower case, without punctuation and marks."""
    return [word.casefold() for word in _WORD.findall(text)]


# --- kinds of answer ------------------------------------------------------------------------------


def _row_faults(question: Question, answer: object) -> Iterator[Fault]:
    if not isinstance(answer, list) or not all(isinstance(row, dict) for row in answer):
        yield "", f"must be blocks that begin with two brackets, [[ … {question.name}]]; {_write(question)}"
        return
    names = [part.name for part in question.parts]
    for number, row in enumerate(answer, 1):
        for name in row:
            if name not in names:
                yield f"block {number}", unknown("field", name, names)
        for part in question.parts:
            for place, says in faults(part, row.get(part.name)):
                yield ", ".join(filter(None, (f"block {number} {part.name}", place))), says
    for part in question.parts:
        if part.every_choice:
            given = [row.get(part.name) for row in answer]
            for choice in part.choices:
                if (times := given.count(choice)) != 1:
                    often = "is missing" if times == 0 else f"is there {times} times"
                    yield "", f"'{choice}' {often}; write one block for each {part.name}"
    if question.type == "figures":
        yield from _interval_faults(answer)


def _interval_faults(rows: list[dict[str, Any]]) -> Iterator[Fault]:
    for number, row in enumerate(rows, 1):
        ends = [row.get(name) for name in ("low", "value", "high")]
        numbers = [Decimal(end) for end in ends if end is not None and is_number(end)]
        if numbers != sorted(numbers):
            yield f"block {number}", "the value lies outside its interval; low, value, high must rise"
        if blank(row.get("low")) != blank(row.get("high")):
            yield f"block {number}", "an interval has two ends; write both low and high, or neither"


def _quantity_faults(question: Question, answer: object) -> Iterator[Fault]:
    if not isinstance(answer, dict):
        yield "", f"is {kind(answer)}, without a unit; {_write(question)}"
        return
    for name in answer:
        if name not in ("value", "unit"):
            yield "", unknown("key", name, ("value", "unit"))
    if not is_number(answer.get("value")):
        given = answer.get("value")
        found = "is empty" if blank(given) else f"is {kind(given)} and not a number"
        yield "value", f"{found}; {_write(question)}"
    unit = answer.get("unit")
    if blank(unit):
        yield "unit", f"is empty; {_write(question)}"
    elif not isinstance(unit, str) or not words(unit) or not re.search(r"[^\W\d_]|[%£€$]", unit):
        yield "unit", f"is {kind(unit)} and names no unit; {_write(question)}"
    elif says := _placeholder(unit):
        yield "unit", f"{says}; {_write(question)}"


def _list_faults(question: Question, answer: object) -> Iterator[Fault]:
    if not isinstance(answer, list) or not all(isinstance(item, str) for item in answer):
        yield "", f"is {kind(answer)} and not a list of texts; {_write(question)}"
        return
    for item in answer:
        if blank(item):
            yield "", f"holds an empty text; {_write(question)}"
        elif says := _placeholder(item):
            yield "", f"{says}; {_write(question)}"
    if answer == question.example:
        yield "", f"is the form's own example; {_write(question, example=False)}"


def _text_fault(question: Question, answer: object) -> str | None:
    if not isinstance(answer, str):
        return f"is {kind(answer)} and not text; {_write(question)}"
    if says := _placeholder(answer):
        return f"{says}; {_write(question)}"
    if _is_example(question, answer):
        return f"is the form's own example; {_write(question, example=False)}"
    return _form_fault(question, answer)


def _form_fault(question: Question, answer: str) -> str | None:
    if question.type in _PATTERNS:
        pattern, wanted = _PATTERNS[question.type]
        return (
            None
            if re.fullmatch(pattern, answer)
            else f"{_quoted(answer)} is not {wanted}; {_write(question)}"
        )
    if question.type in ("term", "role") and "\n" in answer:
        return f"goes over several lines; {_write(question)}"
    if len(answer) > (most := LONGEST.get(question.type, len(answer))):
        return f"has {len(answer):,} characters; at most {most:,} are read here"
    if question.type == "prose":
        return _prose_fault(question, answer)
    return _too_short(question, answer) or (_role_fault(answer) if question.type == "role" else None)


def _prose_fault(question: Question, answer: str) -> str | None:
    for token in markdown().parse(answer):
        for child in token.children or []:
            if child.type == "image":
                return "holds a picture; say in words what it shows, and leave the picture in the run"
    return _too_short(question, answer)


def _too_short(question: Question, answer: str) -> str | None:
    said = words(answer)
    fewest = question.words or FEWEST_WORDS.get(question.type, 1)
    if len(said) < fewest:
        count = f"{len(said)} word{'' if len(said) == 1 else 's'}"
        return f"has {count} and says too little (at least {fewest}); {_write(question)}"
    if len(set(said)) < fewest / 2:
        return f"repeats {len(set(said))} words; {_write(question)}"
    return None


def _role_fault(answer: str) -> str | None:
    if "@" in answer or re.match(r"(?i)(mr|mrs|ms|miss|mx|dr|prof|sir|dame)\b\.?\s", answer):
        return f"{_quoted(answer)} looks like a person; write the role, which stays when the person leaves"
    return None


def _date_fault(question: Question, answer: object) -> str | None:
    if isinstance(answer, datetime) or not isinstance(answer, date):
        return f"is {kind(answer)} and not a date; {_write(question)} without quotation marks"
    return (
        None if 2000 <= answer.year <= 2100 else f"{answer} is not a date of this century; {_write(question)}"
    )


def _number_fault(question: Question, answer: object) -> str | None:
    if not is_number(answer):
        return f"is {kind(answer)} and not a number; {_write(question)}"
    return None


def _share_fault(question: Question, answer: object) -> str | None:
    if says := _number_fault(question, answer):
        return says
    assert isinstance(answer, int | Decimal)  # noqa: S101 - a number, as was just found
    return None if 0 <= answer <= 1 else f"{answer} is not a share between 0 and 1; {_write(question)}"


def _version_fault(question: Question, answer: object) -> str | None:
    if isinstance(answer, bool) or not isinstance(answer, int) or answer < 1:
        found = answer if isinstance(answer, int) and not isinstance(answer, bool) else kind(answer)
        return f"is {found} and not a whole number from 1; {_write(question)}"
    return None


def _truth_fault(question: Question, answer: object) -> str | None:
    return (
        None if isinstance(answer, bool) else f"is {kind(answer)} and not true or false; {_write(question)}"
    )


def _choice_fault(question: Question, answer: object) -> str | None:
    if answer in question.choices:
        return None
    found = _quoted(answer) if isinstance(answer, str) else kind(answer)
    return f"is {found} and not one of {', '.join(question.choices)}"


_CHECKS: dict[str, Callable[[Question, object], str | None]] = {
    **dict.fromkeys(_TEXTS, _text_fault),
    "date": _date_fault,
    "number": _number_fault,
    "share": _share_fault,
    "version": _version_fault,
    "yes/no": _truth_fault,
    "choice": _choice_fault,
}


# --- words for it ---------------------------------------------------------------------------------


_KINDS: tuple[tuple[type, str], ...] = (
    (int, "a number"),
    (Decimal, "a number"),
    (datetime, "a date with a time"),
    (date, "a date"),
    (list, "a list"),
    (dict, "a table"),
    (time, "a time"),
)


def kind(value: object) -> str:
    """What a TOML value is, in words."""
    if isinstance(value, bool):
        return f"'{str(value).lower()}'"
    if isinstance(value, str):
        return f"the text {_quoted(value)}"
    return next(name for type_, name in _KINDS if isinstance(value, type_))


def _write(question: Question, *, example: bool = True) -> str:
    such = question.example
    shows = example and such is not None and question.type not in ("prose", "rows", "figures")
    return f"write {question.ask}{f', such as {shown(such)}' if shows else ''}"


def _quoted(text: str) -> str:
    return f"'{tame(text, 40)}'"


def _placeholder(text: str) -> str | None:
    if odd := unprintable(text):
        return f"holds an invisible character (U+{ord(odd):04X})"
    said = words(text)
    if not said and not re.search(r"[%£€$]", text):
        return f"{_quoted(text)} says nothing"
    if " ".join(said) in _PLACEHOLDERS:
        return f"{_quoted(text)} is no answer; if there is nothing to say, write a sentence that says why"
    if found := _UNFINISHED.search(text):
        return f"{_quoted(found[0])} stands for something still to be written"
    return None


def _is_example(question: Question, text: str) -> bool:
    """Whether `text` is the form's example, or its question; short answers may agree with it by chance."""
    said = f" {' '.join(words(text))} "
    for own in (question.example, question.ask):
        if isinstance(own, str) and (len(words(own)) >= 4 or question.type in _PATTERNS):
            own_words = f" {' '.join(words(own))} "
            if said == own_words or (question.type == "prose" and own_words in said):
                return True
    return False


def is_number(value: object) -> bool:
    """Whether `value` is a number that can be compared: finite, and of a size that means something."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        return False
    number = Decimal(value) if isinstance(value, int) else value
    return number.is_finite() and abs(number) < _LARGEST and (number == 0 or abs(number) > 1 / _LARGEST)
