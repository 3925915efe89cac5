"""Owns the work of a Ray cluster on one run: chunks go to a pool of actors as a Ray Data pipeline, lines come back.

Every actor loads the model once. The driver alone writes the file, so that a killed driver goes on with it as any other
run does; Ray itself replaces an actor that dies, and gives its chunk to another.
"""

from __future__ import annotations

import logging
import os
import pickle
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from grounding import errors
from grounding.backends import load
from grounding.data.sample import Sample
from grounding.errors import BackendError, ConfigError, GroundingError, MissingExtraError
from grounding.predict.asking import Asker, GaveUpError
from grounding.predict.header import ModelFacts, facts_of, weights_fingerprint
from grounding.predict.journal import Journal
from grounding.predict.lines import answered_in
from grounding.predict.options import PredictOptions
from grounding.predict.pictures_ahead import by_picture, open_all
from grounding.predict.plan import Chunk
from grounding.predict.working import Done, Run

WINDOW = 20_000
"""Chunks that are handed to the cluster at a time; with more questions than that actors start anew in between."""
QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",  # nothing is told to anybody
    "RAY_DATA_DISABLE_PROGRESS_BARS": "1",
}


@dataclass(frozen=True)
class ModelToLoad:
    """What every actor loads."""

    name: str | Path | None
    device: str | None
    dtype: str | None
    options: Mapping[str, Any]

    def load(self) -> Any:
        return load(self.name, device=self.device, dtype=self.dtype, **self.options)

    def facts(self, model: Any, first: Sample) -> ModelFacts:
        return facts_of(model, first, weights_fingerprint(self.name), self.options)


class Cluster:
    """A Ray cluster in use, and what each actor may take of it."""

    def __init__(self, ray: Any, options: PredictOptions) -> None:
        """Raises ConfigError where a cluster of this machine alone can never have so many actors."""
        self.ray = ray
        there = ray.cluster_resources()
        gpus = there.get("GPU", 0)
        self.gpus = options.ray_gpus if options.ray_gpus is not None else float(bool(gpus))
        most = gpus / self.gpus if self.gpus else there.get("CPU", 1)
        self.workers = options.ray_workers or max(1, int(most))
        if options.ray_address is None and self.workers * self.gpus > gpus:
            raise ConfigError(
                f"{self.workers} actors with {self.gpus:g} GPUs each are more than the {gpus:g} of this machine: give "
                "fewer --ray-workers, or less --ray-gpus"
            )

    def placed(self, model: ModelToLoad) -> ModelToLoad:
        """The model as an actor is to load it: on the CPU where it has no GPU of its own."""
        return model if self.gpus or model.device else replace(model, device="cpu")

    def facts(self, model: ModelToLoad, first: Sample) -> tuple[ModelFacts, tuple[str, ...]]:
        """What a header says of the model as a worker sees it, and its tasks. Raises what loading it raised there."""
        task = self.ray.remote(num_cpus=1, num_gpus=self.gpus, max_retries=0)(_facts)
        try:
            told = self.ray.get(task.remote(model, first))
        except self.ray.exceptions.RayError as error:
            raise BackendError(f"the model could not be loaded on a worker ({_reason(error)})") from error
        if isinstance(told[0], str):
            raise getattr(errors, told[0], BackendError)(told[1])
        facts: tuple[ModelFacts, tuple[str, ...]] = told
        return facts

    def work(self, run: Run, journal: Journal, model: ModelToLoad, facts: ModelFacts, first: Sample) -> None:
        """Asks all that is left."""
        run.begin(journal)
        with run.giving_up(journal), run.writing(journal) as write:
            left = run.left(journal.lines)
            while window := list(islice(left, WINDOW)):
                asker = {"seed": run.options.seed, "give_up_after": run.options.give_up_after}
                answered = answered_in(journal.lines)
                made = {"model": model, "facts": facts, "first": first, "asker": {**asker, "answered": answered}}
                run.take(self._done(window, made), write)

    def _done(self, chunks: Iterable[Chunk], made: Mapping[str, Any]) -> Iterator[Done]:
        """What comes of the chunks, in the order in which they are done."""
        items = [{"chunk": chunk.number, "work": pickle.dumps(chunk)} for chunk in chunks]
        results = self.ray.data.from_items(items, override_num_blocks=len(items)).map_batches(
            AskChunks,
            fn_constructor_kwargs=dict(made),
            batch_size=1,
            batch_format="pyarrow",
            compute=self.ray.data.ActorPoolStrategy(size=min(self.workers, len(items))),
            num_cpus=1,
            num_gpus=self.gpus or None,
        )
        try:
            for row in results.iter_rows():
                if row["stop"]:
                    raise GaveUpError(row["stop"])
                yield Done(row["questions"], row["pictures"], row["failed"], row["lines"], row["doubtful"])
        except self.ray.exceptions.RayError as error:
            raise GaveUpError(f"the Ray cluster failed ({_reason(error)})") from error


class AskChunks:
    """One actor: a model, and who asks it."""

    def __init__(self, model: ModelToLoad, facts: ModelFacts, first: Sample, asker: Mapping[str, Any]) -> None:
        self._stop = ""
        try:
            grounder = model.load()
            if (seen := model.facts(grounder, first)) != facts:
                self._stop = f"workers differ, so that their answers would: one has {seen}, another {facts}"
        except GroundingError as error:
            self._stop = f"the model could not be loaded on a worker ({error})"
        else:
            self._asker = Asker(grounder, **asker)

    def __call__(self, batch: Any) -> Any:
        """A table with a row for each chunk of the table `batch`."""
        import pyarrow  # type: ignore[import-untyped]

        return pyarrow.Table.from_pylist([self._row(pickle.loads(work)) for work in batch["work"].to_pylist()])

    def _row(self, chunk: Chunk) -> dict[str, Any]:
        if not self._stop:
            try:
                pictures = [picture for samples in by_picture(chunk) for picture in open_all(samples)]
                done = Done.of(chunk, self._asker.ask(chunk, pictures), doubtful=self._asker.doubtful)
                return {**done._asdict(), "stop": ""}
            except (GroundingError, MemoryError) as error:
                self._stop = str(error) or "a worker ran out of memory"
        return {**Done(0, 0, 0, b"", False)._asdict(), "stop": self._stop}


def _facts(model: ModelToLoad, first: Sample) -> tuple[Any, Any]:
    """Facts and tasks, or the name and the words of the error that loading raised: Ray's own holds a traceback."""
    try:
        grounder = model.load()
        return model.facts(grounder, first), grounder.tasks
    except GroundingError as error:
        return type(error).__name__, str(error)


@contextmanager
def cluster(options: PredictOptions) -> Iterator[Cluster]:
    """The cluster at the address, or one on this machine that ends with the run; one that is in use already stays.

    Raises MissingExtraError, and BackendError where it can't be reached.
    """
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise MissingExtraError("--ray needs Ray: pip install 'grounding-vlm[ray]'") from error
    began = not ray.is_initialized()
    if began:
        quiet: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}
        if options.ray_address is None:
            quiet["include_dashboard"] = False
            quiet["num_cpus"] = max(os.cpu_count() or 1, options.ray_workers or 1)  # more actors may share few cores
        try:
            ray.init(options.ray_address, **quiet)
        except (ConnectionError, ValueError, RuntimeError, OSError) as error:
            raise BackendError(
                f"the Ray cluster at {options.ray_address!r} can't be used ({_reason(error)})"
            ) from error
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    try:
        yield Cluster(ray, options)
    finally:
        if began:
            ray.shutdown()


def _reason(error: BaseException) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
