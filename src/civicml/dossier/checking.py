"""What a dossier lacks: every answer by itself, then what the documents say of the same thing.

Finds and names; must not mend, mark or decide. The figures it gives are for a review to hold against
the run.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from civicml.dossier.answers import blank, faults, is_number, kind, words
from civicml.dossier.forms import Question, Section, shown
from civicml.dossier.reading import Document, Dossier, Problem, tame, unknown

SIGNS_THAT_CALL_FOR_IT = 2
"""Two signs of high risk usually mean an impact assessment (WP 248 rev.01, 2017)."""


@dataclass(frozen=True)
class Figure:
    """One metric that a document quotes.

    Attributes:
        file: the document that quotes it.
        place: where in it.
        metric: its name in the MLflow run.
        value: as it was written: the digits say how exactly.
        unit: its unit, in words.
        low: the lower end of its interval, if one was given.
        high: the upper end.
        of: the rows or the group that it was measured on.
    """

    file: str
    place: str
    metric: str
    value: Decimal
    unit: str
    low: Decimal | None
    high: Decimal | None
    of: str

    def agrees_with(self, measured: float) -> bool:
        """Whether `measured`, rounded to the digits that were written, is this figure.

        A figure of 6.53 agrees with 6.5312 and not with 6.6.
        """
        return _rounds_to(Decimal(repr(float(measured))), self.value)


def check(dossier: Dossier) -> tuple[Problem, ...]:
    """Everything to put right in `dossier`, document by document, then between them."""
    own = [problem for document in dossier.documents for problem in check_document(document)]
    return (*own, *cross_check(dossier))


def check_document(document: Document) -> Iterator[Problem]:
    """What one document lacks by itself."""
    yield from document.problems
    if not document.readable:
        return  # to ask for every field would hide the reason
    if not document.problems and (empty := _untouched(document)):
        yield Problem(document.form.file, "", f"nothing is filled in yet; {empty} answers are to be written")
        return
    yield from _unknown_facts(document)
    for section, question in document.form.questions():
        for place, says in _faults(document, section, question):
            yield Problem(document.form.file, place, says)
    yield from _said_twice(document)


def figures(dossier: Dossier) -> tuple[Figure, ...]:
    """Every figure that the documents quote and that is well formed, in order."""
    found = []
    for document in dossier.documents:
        for section, question in document.form.questions():
            rows = document.answer(section.name, question.name)
            if question.type != "figures" or not isinstance(rows, list):
                continue
            for number, row in enumerate(rows, 1):
                if isinstance(row, dict) and not any(
                    says for part in question.parts for _, says in faults(part, row.get(part.name))
                ):
                    place = f"{_place(section, question)}, block {number}"
                    found.append(_figure(document.form.file, place, row))
    return tuple(found)


def _figure(file: str, place: str, row: Mapping[str, Any]) -> Figure:
    low, high = (None if blank(row.get(end)) else Decimal(row[end]) for end in ("low", "high"))
    return Figure(file, place, row["metric"], Decimal(row["value"]), row["unit"], low, high, row["of"])


# --- one document ---------------------------------------------------------------------------------


def _place(section: Section, question: Question) -> str:
    return f"'{question.title}'" if question.type == "prose" else f"[{section.name}] {question.name}"


def _faults(document: Document, section: Section, question: Question) -> Iterator[tuple[str, str]]:
    needed_if = question.needed_if
    if question.type == "prose":
        answer: object = document.prose.get(question.title)
    else:
        answer = document.answer(section.name, question.name)
    if needed_if and blank(answer) and document.answer(section.name, needed_if) is not True:
        return
    for place, says in faults(question, answer):
        yield ", ".join(filter(None, (_place(section, question), place))), says


def _untouched(document: Document) -> int:
    """How many answers are to be written if none is, else 0."""
    asked = [question for _, question in document.form.questions()]
    if any(not blank(document.prose.get(heading)) for heading in document.form.headings):
        return 0
    for section, question in document.form.questions():
        answer = document.answer(section.name, question.name)
        given = {part.name for part in question.parts if part.every_choice}  # the template fills these in
        rows = answer if isinstance(answer, list) and question.is_rows else [{question.name: answer}]
        left = [v for row in rows if isinstance(row, dict) for k, v in row.items() if k not in given]
        if not blank(left):
            return 0
    return sum(not question.optional and not question.needed_if for question in asked)


def _unknown_facts(document: Document) -> Iterator[Problem]:
    file = document.form.file
    asked = {
        section.name: [field.name for field in section.fields if field.type != "prose"]
        for section in document.form.sections
    }
    known = [name for name, fields in asked.items() if fields]
    for name, table in document.facts.items():
        if name not in known:
            yield Problem(file, f"[{tame(name)}]", unknown("section", name, known))
        elif not isinstance(table, dict):
            yield Problem(
                file, f"[{name}]", f"is {kind(table)} and not a section; write [{name}] on its own line"
            )
        else:
            for field in table:
                if field not in asked[name]:
                    yield Problem(file, f"[{name}]", unknown("field", field, asked[name]))


def _said_twice(document: Document) -> Iterator[Problem]:
    """The same words under two headings answer one question at most."""
    seen: dict[str, str] = {}
    for heading, text in document.prose.items():
        said = " ".join(words(text))
        if said and said in seen:
            says = f"says the same as '{seen[said]}'; each heading asks for something else"
            yield Problem(document.form.file, f"'{heading}'", says)
        seen.setdefault(said, heading)


# --- between documents ----------------------------------------------------------------------------


def cross_check(dossier: Dossier) -> Iterator[Problem]:
    """Where documents contradict each other, or an answer contradicts another one.

    Only answers that stand by themselves are compared; what is missing is not called a contradiction.
    """
    yield from _shared(dossier)
    yield from _same_figures(dossier)
    yield from _order_of_dates(dossier)
    yield from _separate_people(dossier)
    yield from _assessment(dossier)
    yield from _limits(dossier)


def _sound(document: Document, section: Section, question: Question) -> object:
    """The answer if it stands by itself, else None."""
    answer = document.answer(section.name, question.name)
    return None if blank(answer) or any(True for _ in faults(question, answer)) else answer


def _value(dossier: Dossier, name: str, section: str, field: str) -> object:
    """A sound answer by name."""
    document = dossier[name]
    for each, question in document.form.questions():
        if (each.name, question.name) == (section, field):
            return _sound(document, each, question)
    raise LookupError(f"{name} has no [{section}] {field}")  # a mistake in this module


def _shared(dossier: Dossier) -> Iterator[Problem]:
    first: dict[str, tuple[str, object]] = {}
    for document in dossier.documents:
        for section, question in document.form.questions():
            answer = _sound(document, section, question)
            if question.shares is None or answer is None:
                continue
            file, expected = first.setdefault(question.shares, (document.form.file, answer))
            if answer != expected:
                here, there = shown(answer), shown(expected)
                says = f"the {question.shares} is {here} here and {there} in {file}; make them agree"
                yield Problem(document.form.file, _place(section, question), says)


def _same_figures(dossier: Dossier) -> Iterator[Problem]:
    first: dict[str, Figure] = {}
    for figure in figures(dossier):
        other = first.setdefault(figure.metric, figure)
        if not _same(figure.value, other.value):
            says = (
                f"{figure.metric} is {figure.value} here and {other.value} in {other.file}, {other.place}; "
                "quote the run in both"
            )
            yield Problem(figure.file, figure.place, says)


def _same(one: Decimal, other: Decimal) -> bool:
    """Whether two quotations can be of one number, each rounded in its own way."""
    return _rounds_to(one, other) or _rounds_to(other, one)


def _rounds_to(number: Decimal, written: Decimal) -> bool:
    """Whether `written` is `number` in fewer digits; a half may have been rounded either way."""
    exponent = written.as_tuple().exponent
    if not number.is_finite() or not isinstance(exponent, int):
        return False
    return abs(number - written) <= Decimal((0, (5,), exponent - 1))


_ORDER = (
    ("datasheet dataset from", "datasheet dataset to", "the data ends before it begins"),
    ("datasheet dataset to", "model_card model trained_on", "it was trained before its data ends"),
    ("model_card model trained_on", "dossier dossier date", "the dossier is older than its model"),
    ("dossier dossier date", "monitoring_plan upkeep review_on", "the review is before the dossier"),
    ("dossier dossier date", "equality_analysis action review_on", "the review is before the dossier"),
    ("field_trial design starts", "field_trial design ends", "the trial ends before it begins"),
)
"""Document, section and field of a date, of one that is never earlier, and what it means if it is."""


def _order_of_dates(dossier: Dossier) -> Iterator[Problem]:
    for earlier, later, says in _ORDER:
        first, second = _value(dossier, *earlier.split()), _value(dossier, *later.split())
        if isinstance(first, date) and isinstance(second, date) and second < first:
            name, section, field = later.split()
            sentence = f"{says} ({second}, before {first}); mend one date"
            yield Problem(dossier[name].form.file, f"[{section}] {field}", sentence)


def _separate_people(dossier: Dossier) -> Iterator[Problem]:
    analyst = _value(dossier, "dossier", "people", "analyst")
    for other in ("assurer", "approver"):
        role = _value(dossier, "dossier", "people", other)
        if isinstance(analyst, str) and isinstance(role, str) and words(role) == words(analyst):
            says = f"is the analyst as well ('{role}'); nobody checks or approves their own work"
            yield Problem("dossier.toml", f"[people] {other}", says)


def _assessment(dossier: Dossier) -> Iterator[Problem]:
    screening = dossier["impact_screening"]
    signs = screening.facts.get("signs")
    found = [name for name, sign in signs.items() if sign is True] if isinstance(signs, dict) else []
    needed = screening.answer("decision", "assessment_needed")
    explained = not blank(screening.answer("decision", "why_not"))
    if len(found) >= SIGNS_THAT_CALL_FOR_IT and needed is False and not explained:
        listed = ", ".join(tame(name) for name in found)
        says = f"{len(found)} signs are true ({listed}), so write why no assessment is needed"
        yield Problem(screening.form.file, "[decision] why_not", says)


def _limits(dossier: Dossier) -> Iterator[Problem]:
    """A limit for acting lies beyond the one for looking."""
    plan = dossier["monitoring_plan"]
    rows = plan.answer("signals", "each")
    for number, row in enumerate(rows if isinstance(rows, list) else [], 1):
        if not isinstance(row, dict):
            continue
        look, act = row.get("look_at"), row.get("act_at")
        if look is None or act is None or not (is_number(look) and is_number(act)):
            continue
        wrong = {"falls below": act > look, "rises above": act < look}.get(str(row.get("direction")), False)
        if wrong:
            says = f"act_at ({act}) comes before look_at ({look}): you look before you act"
            yield Problem(plan.form.file, f"[signals] each, block {number}", says)
