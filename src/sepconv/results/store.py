"""The store: one JSON file a result, validated on read and on write, written atomically, merged without loss.

A result's place follows from what it is a result of (such as ``Run.key``), so two writers never share a file.
Nothing is ever overwritten with other content.
"""

import gc
import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, TypeVar

from filelock import FileLock
from pydantic import Field, TypeAdapter, ValidationError

from sepconv.files import read_bounded, write_atomically
from sepconv.results.records import (
    SCHEMA,
    ClusterResult,
    CostResult,
    DepthwiseResult,
    LatencyResult,
    MemoryResult,
    ResultError,
    RooflineResult,
    RunResult,
    ScalingResult,
    ThroughputResult,
    first_error,
)
from sepconv.spec import Budget, Dataset, Run, canonical_json

Result = (
    RunResult | CostResult | LatencyResult | ThroughputResult | MemoryResult | RooflineResult | DepthwiseResult
    | ClusterResult | ScalingResult
)  # fmt: skip
R = TypeVar("R", bound=Result)
_MOST_DIGITS = 20
LOCK = ".lock"  # in each folder that is written to
_RESULT: TypeAdapter[Result] = TypeAdapter(Annotated[Result, Field(discriminator="kind")])


@dataclass(frozen=True)
class Results:
    """All results of a folder, and one line for each file that could not be read."""

    runs: tuple[RunResult, ...] = ()
    costs: tuple[CostResult, ...] = ()
    latencies: tuple[LatencyResult, ...] = ()
    throughputs: tuple[ThroughputResult, ...] = ()
    memories: tuple[MemoryResult, ...] = ()
    rooflines: tuple[RooflineResult, ...] = ()
    depthwises: tuple[DepthwiseResult, ...] = ()
    clusters: tuple[ClusterResult, ...] = ()
    scalings: tuple[ScalingResult, ...] = ()
    problems: tuple[str, ...] = field(default=())

    @property
    def everything(self) -> tuple[Result, ...]:
        """All results of every kind."""
        return (
            *self.runs, *self.costs, *self.latencies, *self.throughputs, *self.memories, *self.rooflines,
            *self.depthwises, *self.clusters, *self.scalings,
        )  # fmt: skip

    @cached_property
    def devices(self) -> dict[str, str]:
        """The device that each run and each latency was measured on, by its key."""
        measured: list[RunResult | LatencyResult] = [*self.runs, *self.latencies]
        return {result.key: result.environment.device_title for result in measured}

    @cached_property
    def data(self) -> dict[Dataset, str]:
        """The checksum of the images that most runs of each dataset were made from; between equals, the smaller one."""
        counts: defaultdict[Dataset, Counter[str]] = defaultdict(Counter)
        for run in self.runs:
            counts[run.spec["dataset"]][run.data_sha256] += 1
        return {name: min(found, key=lambda sha256: (-found[sha256], sha256)) for name, found in counts.items()}

    def runs_at(self, paper: str, experiment: str, budget: Budget) -> tuple[RunResult, ...]:
        """All runs of one experiment at one budget, complete or not, by seed."""
        return self._runs_by_place.get((paper, experiment, budget), ())

    def runs_of(self, paper: str, experiment: str, budget: Budget) -> tuple[RunResult, ...]:
        """Complete runs of one experiment at one budget, by seed."""
        return tuple(run for run in self.runs_at(paper, experiment, budget) if run.status == "complete")

    @cached_property
    def _runs_by_place(self) -> dict[tuple[str, str, Budget], tuple[RunResult, ...]]:
        found: defaultdict[tuple[str, str, Budget], list[RunResult]] = defaultdict(list)
        for run in sorted(self.runs, key=lambda run: run.seed):
            found[run.paper, run.experiment, run.budget].append(run)
        return {place: tuple(runs) for place, runs in found.items()}

    def cost_of(self, paper: str, experiment: str) -> CostResult | None:
        """The counts of one experiment's network, if they are there."""
        return next((c for c in self.costs if (c.paper, c.experiment) == (paper, experiment)), None)


def path_of(folder: Path, key: str) -> Path:
    """The file of the result with that key."""
    return folder / f"{key}.json"


def find_run(folder: Path, run: Run) -> RunResult | None:
    """The valid result of ``run``, or None where there is none.

    Raises:
        ResultError: the file is damaged, or it is the result of another recipe under the same name.
    """
    path = path_of(folder, run.key)
    if not path.exists():
        return None
    result = read(path)
    if not isinstance(result, RunResult) or result.run_id != run.id:
        raise ResultError(f"{path}: expected run {run.id}, got another recipe's result; move that file away")
    return result


def read(path: Path) -> Result:
    """Read and validate one result.

    Raises:
        ResultError: not JSON, another schema, a wrong checksum, a value out of range, or a file in the wrong place.
    """
    try:
        text = read_bounded(path)
        content = json.loads(text, parse_int=_bounded, parse_constant=_refused, object_pairs_hook=_unique)
        checksum = content.pop("sha256", None) if isinstance(content, dict) else None
        canonical = _canonical_of_written(text, checksum) or canonical_json(content)
    except OSError as error:
        raise ResultError(f"{path}: expected a JSON file, got: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise ResultError(f"{path}: expected a JSON file, got: {str(error)[:200]}") from None
    if not isinstance(content, dict):
        raise ResultError(f"{path}: expected a JSON object, got {type(content).__name__}")
    version = content.get("schema_version")
    if type(version) is not int or version != SCHEMA:  # True == 1
        raise ResultError(f"{path}: expected schema {SCHEMA}, got {version!r}; read it with the sepconv that wrote it")
    if checksum != (actual := hashlib.sha256(canonical).hexdigest()):
        raise ResultError(f"{path}: expected sha256 {str(checksum)[:12]}…, got {actual[:12]}…; the file was changed")
    try:
        result = _RESULT.validate_json(canonical)
    except ValidationError as error:
        raise ResultError(f"{path}: {first_error(error)}") from None
    if path.absolute().parts[-3:] != Path(f"{result.key}.json").parts:
        raise ResultError(f"{path}: expected the file of {result.key}; it lies in the wrong place")
    return result


def read_all(folder: Path) -> Results:
    """Read every result below ``folder``; damaged files become lines in ``problems`` and the rest is still read.

    Raises:
        ResultError: the folder does not exist.
    """
    if not folder.is_dir():
        raise ResultError(f"{folder}: expected a folder of results, found none; check the path")
    found: dict[str, list[Any]] = defaultdict(list)
    problems: list[str] = []
    with _without_collector():
        for path in result_files(folder, problems):
            try:
                result = read(path)
                found[result.kind].append(result)
            except ResultError as error:
                problems.append(str(error).replace(f"{folder}/", ""))
    return Results(
        runs=tuple(found["run"]),
        costs=tuple(found["cost"]),
        latencies=tuple(found["latency"]),
        throughputs=tuple(found["throughput"]),
        memories=tuple(found["memory"]),
        rooflines=tuple(found["roofline"]),
        depthwises=tuple(found["depthwise"]),
        clusters=tuple(found["cluster"]),
        scalings=tuple(found["scaling"]),
        problems=tuple(problems),
    )


def write(folder: Path, result: Result) -> Path:
    """Write a result so that a reader sees all of it or nothing, and return its path.

    Writing the same content again does nothing.

    Raises:
        ResultError: another result lies at that place already, or the folder cannot be written.
    """
    path = path_of(folder, result.key)
    content = result.model_dump(mode="json")
    content["sha256"] = hashlib.sha256(canonical_json(content)).hexdigest()
    text = json.dumps(content, indent=1, sort_keys=True, allow_nan=False) + "\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.parent / LOCK):
            if path.exists():
                if read(path) != result:
                    raise ResultError(f"{path}: another result lies there; move it away, nothing is overwritten")
                return path
            write_atomically(path, text.encode())
    except OSError as error:
        raise ResultError(f"{path}: cannot be written: {error.strerror}") from None
    return path


def ensure(folder: Path, key: str, kind: type[R], measure: Callable[[], Result]) -> R:
    """The result with that key: the one below ``folder``, or what ``measure`` returns, once it is written there.

    Raises:
        ResultError: the file there is damaged or of another kind, or the folder cannot be written.
    """
    if not path_of(folder, key).exists():
        write(folder, measure())
    return read_as(folder, key, kind)


def read_as(folder: Path, key: str, kind: type[R]) -> R:
    """The result with that key, which has to be of this kind.

    Raises:
        ResultError: the file is missing, damaged, or of another kind.
    """
    path = path_of(folder, key)
    result = read(path)
    if not isinstance(result, kind):
        raise ResultError(f"{path}: expected a {kind.__name__}, got a {type(result).__name__}; move that file away")
    return result


def merge(source: Path, target: Path) -> int:
    """Add every result of ``source`` to ``target``; return how many were new.

    Raises:
        ResultError: a file of ``source`` is damaged, or differs from the one in ``target``. Nothing is added then.
    """
    results = read_all(source)
    if results.problems:
        raise ResultError(results.problems[0])
    if not results.everything:
        raise ResultError(f"{source}: expected results, PAPER/EXPERIMENT/NAME.json, found none; check the path")
    fresh = []
    for result in results.everything:
        path = path_of(target, result.key)
        if not path.exists():
            fresh.append(result)
        elif read(path) != result:
            raise ResultError(f"{path}: differs from the one in {source}; nothing was merged")
    for result in fresh:
        write(target, result)
    return len(fresh)


def result_files(folder: Path, problems: list[str]) -> Iterator[Path]:
    """Result files lie two folders down: ``paper/experiment/name.json``, ``machines/device/name.json``.

    A folder that cannot be listed, which a pattern would pass over in silence, adds a line to ``problems``.
    """
    for outer in _listed(folder, folder, problems):
        if outer.is_dir():
            for inner in _listed(outer, folder, problems):
                if inner.is_dir():
                    files = _listed(inner, folder, problems)
                    yield from (file for file in files if file.suffix == ".json")


@contextmanager
def _without_collector() -> Iterator[None]:
    """Nothing that is read is garbage, and the collector would walk through all of it again and again."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _listed(place: Path, folder: Path, problems: list[str]) -> list[Path]:
    try:
        return sorted(path for path in place.iterdir() if not path.name.startswith("."))
    except OSError as error:
        problems.append(f"{place.relative_to(folder)}: expected a folder that can be read, got: {error.strerror}")
        return []


def _canonical_of_written(text: bytes, checksum: object) -> bytes | None:
    """What :func:`canonical_json` makes of a file that :func:`write` has laid out, in a fifth of the time; else None.

    White space begins a line or follows a name there, and the checksum has a line of its own. Of any other file
    something else comes out, as its checksum then says.
    """
    lines = text.replace(f'\n "sha256": {json.dumps(checksum)},'.encode(), b"").split(b"\n")
    canonical = b"".join(map(bytes.lstrip, lines)).replace(b'": ', b'":')
    return canonical if hashlib.sha256(canonical).hexdigest() == checksum else None


def _refused(_constant: str) -> None:
    """Of NaN and Infinity, which Python reads, in the words of its writer."""
    raise ValueError("Out of range float values are not JSON compliant")


def _bounded(number: str) -> int:
    """JSON bounds no integer; one that fits into no float stops whoever divides by it."""
    if len(number) > _MOST_DIGITS:
        raise ValueError(f"an integer of {len(number)} digits")
    return int(number)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Of a name that stands twice, readers disagree which value holds."""
    content = dict(pairs)
    if len(content) != len(pairs):
        raise ValueError("a name stands twice in one object")
    return content
