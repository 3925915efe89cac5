"""Owns predict(): opens the data set, the model and the file, and has somebody work through the plan."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from grounding.backends import load
from grounding.backends.base import Grounder
from grounding.data.dataset import Dataset, StreamedDataset
from grounding.data.opening import open_dataset
from grounding.data.predictions import Header
from grounding.data.sample import Sample
from grounding.errors import ConfigError, InputError
from grounding.predict.header import ModelFacts, facts_of, header_of, weights_fingerprint
from grounding.predict.journal import Journal
from grounding.predict.options import PredictOptions
from grounding.predict.places import RemotePlace, place_of
from grounding.predict.plan import Plan
from grounding.predict.processes import Team, follow, lead
from grounding.predict.progress import Progress, only_ours, shown
from grounding.predict.summary import Summary
from grounding.predict.working import Run

AnyDataset = Dataset | StreamedDataset


def predict(
    dataset: str | Path | AnyDataset,
    model: str | Path | Grounder | None = None,
    out: str | os.PathLike[str] = "predictions.jsonl",
    *,
    device: str | None = None,
    dtype: str | None = None,
    model_options: Mapping[str, Any] | None = None,
    root: str | Path | None = None,
    images: str | Path | None = None,
    progress: bool = False,
    **options: Any,
) -> Summary:
    """What the run left behind; `out` then holds a header and one line for each question of the data set.

    `dataset`: a Dataset, or a name for `open_dataset` with its `root` and `images`. `model`: a loaded one, or a name
    for `load` with `device`, `dtype` and `model_options`; None for the shipped one. `out`: a file, or an address such
    as s3://bucket/predictions.jsonl. `options`: fields of PredictOptions. `progress`: whether to show on standard error
    how it goes.

    A question that fails has its reason in its line. If `out` holds a part of the same run, that is gone on with.
    Raises InputError where it holds another run, or nothing can be asked at all; OutputError where it can't be written;
    BackendError where the model fails question after question. What is in the file stays there, and the same call goes
    on with it.
    """
    settings = PredictOptions(**options)
    team = Team() if settings.ray else Team.here()
    place = place_of(out)
    if team.local_size < team.size and isinstance(place, RemotePlace):
        raise ConfigError(f"{out} can't be shared by processes of several machines: give a file that all of them see")
    data = open_dataset(dataset, root=root, images=images) if isinstance(dataset, str | Path) else dataset
    first = next(iter(data), None)
    if first is None:
        raise InputError(f"{data.name} holds no question to ask")
    with ExitStack() as stack:
        display = Progress()
        if progress and team.rank == 0:
            stream = stack.enter_context(only_ours()) if settings.ray else None
            display = stack.enter_context(shown(stream))
        run = Run(Plan(data, settings.batch), settings, place, display)
        head = partial(header_of, data, settings, run.plan.questions, check_pictures(data, display), root, images)
        tell_of_problems(data, display)
        if settings.ray:
            return _on_ray(run, head, first, model, device=device, dtype=dtype, options=model_options or {})
        if isinstance(model, Grounder):
            grounder, facts = model, facts_of(model, first)
        else:
            display.wait("loading the model")
            grounder = load(model, device=device or team.device(), dtype=dtype, **model_options or {})
            facts = facts_of(grounder, first, weights_fingerprint(model), model_options)
        check_tasks(data, first, grounder.name, grounder.tasks)
        if team.rank:
            return follow(run, team, head(facts), grounder)
        with run.open(head(facts)) as journal:
            if team.size > 1:
                lead(run, team, journal, grounder)
            else:
                _alone(run, journal, grounder)
            return run.summary(journal)


def _alone(run: Run, journal: Journal, model: Grounder) -> None:
    """All the work in this process."""
    run.begin(journal)
    with run.giving_up(journal), run.writing(journal) as write:
        run.work(run.left(journal.lines), run.asker(model, journal.lines), write)


def _on_ray(run: Run, head: Callable[[ModelFacts], Header], first: Sample, model: Any, **loading: Any) -> Summary:
    """All the work on a Ray cluster."""
    from grounding.predict.on_ray import ModelToLoad, cluster

    if isinstance(model, Grounder):
        raise ConfigError(f"workers of a Ray cluster load the model themselves: give its name, not {model.name} loaded")
    run.progress.wait("starting the cluster, and the model on it")
    with cluster(run.options) as ray:
        to_load = ray.placed(ModelToLoad(model, **loading))
        facts, tasks = ray.facts(to_load, first)
        check_tasks(run.plan.dataset, first, facts.name, tasks)
        with run.open(head(facts)) as journal:
            ray.work(run, journal, to_load, facts, first)
            return run.summary(journal)


def check_pictures(dataset: AnyDataset, progress: Progress) -> int:
    """How many pictures are missing, after saying so. Raises InputError where all of them are."""
    missing = dataset.missing_pictures()
    if not missing:
        return 0
    there = len({sample.picture.key for sample in dataset}) - len(missing)
    if not there:
        raise InputError(
            f"none of the {len(missing):,} pictures of {dataset.name} is there (such as {missing[0]!r}): give "
            "--images, the folder they lie in"
        )
    some = ", ".join(map(repr, missing[:3])) + (", ..." if len(missing) > 3 else "")
    progress.say(
        f"{len(missing):,} of {there + len(missing):,} pictures are not there ({some}): what is asked of them fails"
    )
    return len(missing)


def check_tasks(dataset: AnyDataset, first: Sample, model: str, known: Sequence[str]) -> None:
    """Raises InputError where the model can't be asked any of the data set's questions."""
    tasks = {sample.task for sample in (dataset if isinstance(dataset, Dataset) else [first])}
    if not tasks & set(known):
        raise InputError(
            f"{model} knows no task {', '.join(map(repr, sorted(tasks)))}, which is all that {dataset.name} asks; "
            f"it knows: {', '.join(known)}"
        )


def tell_of_problems(dataset: AnyDataset, progress: Progress) -> None:
    """Says what was wrong in the data set's files."""
    left_out = [problem for problem in dataset.problems if not problem.kept]
    if left_out:
        kinds = Counter(problem.kind for problem in left_out).most_common()
        named = ", ".join(f"{count:,} × {kind}" for kind, count in kinds)
        progress.say(f"{len(left_out):,} entries of {dataset.name} can't be asked: {named} (first {left_out[0].where})")
