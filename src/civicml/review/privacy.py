"""Part 5, what the model gives away of the people it learnt from: by its scores, and by what is inside it.

Membership inference: Yeom and others (2018), an attack by the loss; its advantage is the share of members
recognised less the share of others taken for members, at the best bar. It must not know how a model works.
"""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from civicml.review.brief import Floats
from civicml.review.evidence import Part, Table
from civicml.review.findings import Finding, Severity
from civicml.review.material import SEED, Material
from civicml.review.measures import Bools
from civicml.review.parts import not_done, part
from civicml.review.sandboxed import ModelError

_SAMPLE = 6000
_ROWS_LOOKED_FOR = 500
_KEYS_LOOKED_FOR = 2000
_MOST_EXAMPLES = 100
_NOTED, _GRAVE = 0.1, 0.25
_TRIES = 200
_HELD = 0.05
_LEAST = 500


@dataclass(frozen=True)
class Advantage:
    """Of an attack: `value`, where `noise` is what it would be against a model that remembers nothing."""

    value: float
    noise: float
    members: int
    others: int


def privacy(material: Material) -> Part:
    """Attack the model, and look inside it."""
    if material.scores is None:
        return not_done("privacy", "The model gives no scores, so it could not be attacked.")
    tables, findings, said = [], [], []
    try:
        advantage = _attack(material)
    except ModelError as error:
        said.append(f"The attack could not be made: on training rows the model {error.says}.")
        advantage = None
    if advantage is not None:
        tables.append(_attack_table(advantage))
        findings += _remembers(advantage)
        said.append(
            "Whoever knows a case and its outcome can tell whether the model learnt from it with an "
            "advantage of "
            f"{max(0.0, advantage.value):.3f} over guessing; against a model without memory it is "
            f"{advantage.noise:.3f}."
        )
    try:
        told, _ = material.model.ask("kept", _asked(material))
        table, found = _kept(material, told)
        tables.append(table)
        findings += found
        said.append("Training rows were looked for in every array of the model.")
    except (ModelError, TypeError, KeyError, ValueError) as error:
        said.append(f"The model's arrays could not be looked through ({error}).")
    findings += _examples(material)
    return part("privacy", " ".join(said), tables=tables, findings=findings)


# --- the attack -----------------------------------------------------------------------------------


def _attack(material: Material) -> Advantage | None:
    brief, data = material.brief, material.data
    # Other people of the same time; where the sealed tables begin later, those of the learners' hold-out.
    others = data.sealed_before if len(data.sealed_before) >= _LEAST else data.later
    if len(data.before) < _LEAST or len(others) < _LEAST:
        return None
    generator = np.random.default_rng(SEED)
    losses, plain = [], []
    for frame in (data.before, others):
        rows = generator.permutation(len(frame))[:_SAMPLE]
        sample = frame.iloc[rows].reset_index(drop=True)
        outcome = sample[brief.data.outcome].to_numpy(dtype=bool)
        losses.append(_loss(material.model.scores(material.inputs(sample)).values, outcome))
        plain.append(_loss(material.rivals.reference_of(sample), outcome))
    found = advantage_of(losses[0], losses[1])
    # What a coarse model gives away too is a difference of the times, not memory.
    return replace(found, noise=max(found.noise, advantage_of(plain[0], plain[1]).value))


def _loss(scores: Floats, outcome: Bools) -> Floats:
    held = np.clip(scores, 1e-6, 1 - 1e-6)
    return -np.log(np.where(outcome, held, 1 - held))


def advantage_of(members: Floats, others: Floats) -> Advantage:
    """How well the loss tells members, who have less of it, from others."""
    everyone = np.concatenate([members, others])
    member = np.arange(len(everyone)) < len(members)
    order = np.argsort(everyone, kind="stable")
    ends = np.append(np.diff(everyone[order]) > 0, True)
    found = _best(member[order], ends)
    generator = np.random.default_rng(SEED)
    by_chance = [_best(generator.permutation(member), ends) for _ in range(_TRIES)]
    return Advantage(found, float(np.quantile(by_chance, 0.95)), len(members), len(others))


def _best(member: Bools, ends: Bools) -> float:
    recognised = np.cumsum(member) / member.sum()
    taken = np.cumsum(~member) / (~member).sum()
    return float((recognised - taken)[ends].max())


def _attack_table(advantage: Advantage) -> Table:
    rows = (
        ("advantage of the attacker", round(advantage.value, 4)),
        ("without any memory it would be below", round(advantage.noise, 4)),
        ("rows that the model may have learnt from", advantage.members),
        ("rows that it cannot know", advantage.others),
    )
    return Table("Membership inference, by the loss", ("figure", "value"), rows)


def _remembers(advantage: Advantage) -> list[Finding]:
    memory = advantage.value - advantage.noise
    if memory < _NOTED:
        return []
    severity: Severity = "major" if memory >= _GRAVE else "minor"
    says = (
        "The model remembers rows that it learnt from: an attacker tells them from others with an "
        "advantage of "
        f"{advantage.value:.2f}, where a model without memory has {advantage.noise:.2f}."
    )
    do = (
        "Make the model coarser (fewer or shallower trees, larger leaves, more regularisation) and "
        "measure again."
    )
    return [Finding("remembers-rows", severity, "learner", "privacy", says, do)]


# --- what is inside -------------------------------------------------------------------------------


def _asked(material: Material) -> dict[str, object]:
    brief, data = material.brief, material.data
    before = data.before.sample(min(_ROWS_LOOKED_FOR, len(data.before)), random_state=SEED)
    keys: dict[str, object] = {}
    absent: dict[str, object] = {}
    for column in filter(None, dict.fromkeys((brief.data.key, brief.data.group))):
        known, unknown = _identifiers(data.before[column]), _identifiers(data.holdout[column])
        unknown = np.setdiff1d(unknown, np.asarray(_identifiers(data.later[column])))
        unknown = np.setdiff1d(unknown, known)
        keys[column] = np.random.default_rng(SEED).permutation(known)[:_KEYS_LOOKED_FOR]
        absent[column] = np.random.default_rng(SEED).permutation(unknown)[:_KEYS_LOOKED_FOR]
    return {
        "frame": material.inputs(before).reset_index(drop=True),
        "keys": keys,
        "other_keys": absent,
    }


def _identifiers(column: pd.Series) -> "np.ndarray[tuple[int], np.dtype[np.generic]]":
    if pd.api.types.is_integer_dtype(column.dtype):
        return np.unique(column.to_numpy(dtype=np.int64))
    return np.unique(column.astype(str).to_numpy(dtype=str))


def _kept(material: Material, told: dict[str, object]) -> tuple[Table, list[Finding]]:
    share = _share(told["rows"])
    rows: list[tuple[str, str]] = [("arrays looked through", str(int(_number(told["arrays"]))))]
    rows.append((f"of {_ROWS_LOOKED_FOR} training rows, found inside", f"{share:.0%}"))
    findings = []
    if share > _HELD:
        says = (
            f"Training rows are kept inside the model ({str(told['where'])[:120]}): of those looked "
            f"for, {share:.0%} "
            "are there. Whoever has the file has the people."
        )
        do = (
            "Use a model that keeps no rows (not nearest neighbours, not a kernel machine), or delete "
            "what it kept."
        )
        findings.append(Finding("training-rows-inside", "critical", "learner", "privacy", says, do))
    held = told["keys"]
    if not isinstance(held, dict):
        raise TypeError("no keys")
    for column, shares in held.items():
        inside, by_chance = (_share(one) for one in shares)
        rows.append(
            (f"of '{column}' of training rows, found inside", f"{inside:.1%} (of others {by_chance:.1%})")
        )
        if inside > by_chance + _HELD:
            says = (
                f"{inside:.0%} of the training rows' '{column}' are inside the model: it names those "
                "it learnt from."
            )
            do = f"Take '{column}' and all that is made from it out of the model."
            findings.append(
                Finding(f"identifiers-inside:{column}", "critical", "learner", "privacy", says, do)
            )
    return Table("Training rows inside the artefact", ("looked for", "found"), tuple(rows)), findings


def _share(value: object) -> float:
    number = _number(value)
    if not 0 <= number <= 1:
        raise ValueError("a share that is none")
    return number


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError("a number that is none")
    return float(value)


def _examples(material: Material) -> list[Finding]:
    count = material.facts.example_rows
    if count <= _MOST_EXAMPLES:
        return []
    says = f"The input example holds {count:,} rows of people."
    do = "Log five to twenty rows, made up ones if the data is not public."
    return [Finding("large-example", "major", "learner", "privacy", says, do)]
