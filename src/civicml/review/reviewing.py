"""A review from beginning to end: fetch, inspect, open in the sandbox, measure the seven parts.

It reads the registry and writes nothing to it. It must not decide anything.
"""

import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

from civicml import __version__
from civicml.autograder.limits import Settings
from civicml.cohort.engine import course_settings
from civicml.course import find_root
from civicml.errors import CivicmlError
from civicml.review.auditing import audits
from civicml.review.auditing import measures as measured_by_group
from civicml.review.brief import Brief, domain_of, load_brief
from civicml.review.evaluating import evaluates
from civicml.review.evaluating import measures as measured
from civicml.review.evidence import Part, Review
from civicml.review.findings import PARTS, Finding, PartName
from civicml.review.loading import loads, refusal
from civicml.review.material import Data, Material, Registry, asked_for, load_data, pose, rivals
from civicml.review.paperwork import paperwork
from civicml.review.parts import TITLES, not_done
from civicml.review.privacy import privacy
from civicml.review.reproducing import Training, entry, reproduces, seed_of
from civicml.review.sandboxed import Model, ModelError, Sandbox, Scores
from civicml.review.stressing import stresses
from civicml.tracking.artefacts import Fetched, ModelFacts, Refused, fetch, inspect

Report = Callable[[int, int, str], None]
"""Told how many steps are done, of how many, and what is being done now."""

STEPS = ("fetching", "cases", "rivals", *PARTS)
_NEEDED = {
    "sklearn": (
        "skops.io",
        "sklearn.linear_model",
        "sklearn.ensemble",
        "sklearn.pipeline",
        "sklearn.compose",
    ),
    "torch": ("safetensors.torch", "torch"),
}
_PRESENT = ("sklearn.linear_model", "sklearn.pipeline", "sklearn.compose", "sklearn.preprocessing")


def review(
    model: str,
    version: int | str,
    *,
    cohort: Path,
    root: Path | None = None,
    settings: Settings | None = None,
    data: Data | None = None,
    report: Report | None = None,
) -> Review:
    """Review one version of a registered model, on the cohort's sealed hold-out.

    Args:
        model: such as ``capstone-health-missed-appointments``.
        version: its version.
        cohort: the cohort's directory; its sealed tables are read.
        root: the course's directory; by default the one around the working directory.
        settings: how the sandbox is made; by default what the course's ``sandbox.toml`` says.
        data: the brief's cases from `load_data`, for whoever reviews several versions in a row.
        report: told of every step.

    Returns:
        The review. A model that cannot be used is a finding; of one that is turned away before it is opened,
        `refused` says why.

    Raises:
        CivicmlError: there is no such version, brief or sealed table, or no sandbox on this machine.
    """
    began, clock = datetime.now(UTC), time.monotonic()
    root = root or find_root()
    brief = load_brief(domain_of(model, root), root)
    number = _number(version)
    tell = _Steps(report or (lambda done, of, what: None))
    settings = settings or course_settings(root)
    with ExitStack() as stack:
        place = Path(tempfile.mkdtemp(prefix="civicml-review-"))
        stack.callback(shutil.rmtree, place, ignore_errors=True)
        tell("fetching")
        run_id, learner, registry = _origin(model, number)
        try:
            handed_in = fetch(model, number, place / "run")
            facts = inspect(handed_in.folder)
        except Refused as error:
            parts = _refused(error)
            told = {"model": f"{model}, version {number}", "run": run_id, "learner": learner}
            return Review(
                model, str(number), brief.domain, run_id, learner, _moment(began), time.monotonic() - clock,
                told, parts, str(error),
            )  # fmt: skip
        source = handed_in.folder / "source"
        sandbox = stack.enter_context(
            Sandbox(
                brief, root, settings,
                model=handed_in.folder / "model", source=source if source.is_dir() else None,
                modules=_NEEDED.get(facts.kind, ()) or _PRESENT,
            )
        )  # fmt: skip
        tell("cases")
        data = data or load_data(brief, cohort)
        version_of = (handed_in, facts, registry)
        parts, lineage = _measure(stack, sandbox, brief, data, version_of, tell=tell)
    return Review(
        model, str(number), brief.domain, handed_in.run_id, handed_in.learner, _moment(began),
        round(time.monotonic() - clock, 1), lineage, parts,
    )  # fmt: skip


def _measure(
    stack: ExitStack,
    sandbox: Sandbox,
    brief: Brief,
    data: Data,
    version: tuple[Fetched, ModelFacts, Registry],
    *,
    tell: "_Steps",
) -> tuple[tuple[Part, ...], Mapping[str, str]]:
    handed_in, facts, registry = version
    training = _begin_training(sandbox, brief, data, handed_in)
    if training is not None:
        stack.callback(training.close)
    tell("rivals")
    against = rivals(brief, data)
    model = Model(sandbox)
    stack.callback(model.close)
    opening, scores, error = _first_scores(brief, facts, data, model)
    material = Material(
        brief, handed_in, registry, facts, data, pose(brief, data.holdout), against, sandbox, model, scores,
        error, opening,
    )  # fmt: skip
    parts = []
    steps: tuple[tuple[PartName, Callable[[], Part]], ...] = (
        ("loads", lambda: loads(material)),
        ("evaluates", lambda: evaluates(material)),
        ("audits", lambda: audits(material)),
        ("stresses", lambda: stresses(material)),
        ("privacy", lambda: privacy(material)),
        ("reproduces", lambda: reproduces(material, training)),
        ("paperwork", lambda: paperwork(material, {**measured(material), **measured_by_group(material)})),
    )
    for name, measure in steps:
        tell(name)
        parts.append(_done(name, measure))
    tell("")
    return tuple(parts), _lineage(material)


def _done(name: PartName, measure: Callable[[], Part]) -> Part:
    try:
        return measure()
    except ModelError as error:
        # A model may give up half way, which no part is prepared for everywhere.
        says = f"The model {error.says}."
        do = "Score the brief's inputs with the logged model yourself, and mend what fails."
        return not_done(name, says, [Finding(f"gives-up:{name}", "major", "learner", name, says, do)])


def _first_scores(
    brief: Brief, facts: ModelFacts, data: Data, model: Model
) -> tuple[float, Scores | None, ModelError | None]:
    opening = 0.0
    try:
        opening = max(model.open(), 1e-6)
        return opening, model.scores(asked_for(brief, facts, data.holdout)), None
    except ModelError as error:
        return opening, None, error


def _begin_training(sandbox: Sandbox, brief: Brief, data: Data, handed_in: Fetched) -> Training | None:
    seed = seed_of(handed_in)
    file = entry(handed_in.folder / "source")
    if seed is None or file is None:
        return None
    return Training(sandbox, brief.data.dataset, dict(data.tables), seed=seed, file=file)


def _refused(error: Refused) -> tuple[Part, ...]:
    rest = (name for name in PARTS if name != "loads")
    return (
        refusal(error),
        *(not_done(name, "The model was turned away unopened, so this was not done.") for name in rest),
    )


def _origin(model: str, version: int) -> tuple[str, str, Registry]:
    """Whose a version is, by the registry: also where its files are refused."""
    from mlflow.exceptions import MlflowException

    from civicml.tracking import _open_store

    with _open_store() as (_, client):
        try:
            found = client.get_model_version(model, str(version))
        except MlflowException as error:
            if error.error_code not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                raise
            raise CivicmlError(f"There is no version {version} of '{model}'.") from None
        others = client.search_model_versions(f"name = '{model}'")
        newest = max((int(one.version) for one in others), default=version)
        run_id, learner, status = str(found.run_id or ""), "", "UNKNOWN"
        try:
            run = client.get_run(run_id)
            status = str(run.info.status)
            learner = str(client.get_experiment(run.info.experiment_id).name)
        except MlflowException:
            pass  # `fetch` refuses it
    return run_id, learner, Registry(status, newest, tuple(found.aliases or ()))


def _lineage(material: Material) -> dict[str, str]:
    handed_in, brief, data = material.handed_in, material.brief, material.data
    tags = handed_in.tags
    told = {
        "data": f"{brief.data.dataset}, content hash {data.data_hash}",
        "data that the run names": tags.get("civicml.data", ""),
        "run": f"{handed_in.run_id}, begun {handed_in.began:%Y-%m-%d %H:%M} UTC",
        "learner": handed_in.learner,
        "source": tags.get("civicml.code", ""),
        "commit": tags.get("civicml.commit", ""),
        "seed": tags.get("civicml.seed", ""),
        "model": f"{handed_in.model}, version {handed_in.version}, SHA-256 of its files "
        f"{material.facts.sha256}",
        "saved with": ", ".join(f"{name} {value}" for name, value in material.facts.versions.items()),
        "brief": f"{brief.domain}: {brief.title}",
        "hold-out": f"{len(data.holdout):,} sealed cases from {brief.data.holdout_from} on",
        "reviewed with": f"civicml {__version__}",
    }
    return {name: text for name, text in told.items() if text}


def _number(version: int | str) -> int:
    try:
        number = int(version)
    except ValueError:
        number = 0
    if number < 1:
        raise CivicmlError(f"'{version}' is not a version; a version is a number, such as 3.")
    return number


def _moment(when: datetime) -> str:
    return when.replace(tzinfo=None).isoformat(timespec="seconds")


class _Steps:
    """Counts the steps of a review for whoever watches."""

    def __init__(self, report: Report) -> None:
        self._report = report

    def __call__(self, step: str) -> None:
        done = STEPS.index(step) if step in STEPS else len(STEPS)
        self._report(done, len(STEPS), TITLES.get(step, step).lower())  # type: ignore[call-overload]
