"""Where tasks are judged: in this process, on all its cores, or on a Dask cluster. The answers are the same."""

from __future__ import annotations

import contextlib
import gc
import multiprocessing
import os
from asyncio import CancelledError
from concurrent.futures import CancelledError as FuturesCancelledError
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import cache
from typing import TYPE_CHECKING, Protocol

import msgspec
from distributed import Client, KilledWorker, wait

from backtest.problems import BacktestError, unwritable
from backtest.search.evaluate import Score, Task, key_of
from backtest.search.memory import keep_freed_memory
from backtest.search.source import fingerprint_of_code

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from backtest.search.evaluate import Evaluator

CLUSTER_TIMEOUT_S = 10
TASK_TIMEOUT_S = 3600.0


class WorkersLost(BacktestError):
    """Those who should judge cannot be reached, or died."""


class OtherCode(WorkersLost):
    """A worker of a cluster would judge with another program."""

    def __init__(self) -> None:
        super().__init__(
            "클러스터의 워커가 다른 버전의 프로그램, 전략, 라이브러리로 돌고 있습니다. 같은 것으로 다시 시작하세요.",
            "A worker of the cluster runs another version of this program, of the strategy or of its libraries. "
            "Start the workers again with the same.",
        )

    def __reduce__(self) -> tuple[type[OtherCode], tuple[()]]:
        return OtherCode, ()


class Workers(Protocol):
    """Judges tasks; the scores are in the order of the tasks."""

    def map(self, tasks: Sequence[Task]) -> list[Score]:
        """Judge some tasks."""


class Inline:
    """Judges in this process, one after the other."""

    def __init__(self, evaluator: Evaluator) -> None:
        self._evaluator = evaluator

    def map(self, tasks: Sequence[Task]) -> list[Score]:
        """Judge some tasks."""
        return [self._evaluator(task) for task in tasks]


class Cores:
    """Judges in processes of this machine."""

    def __init__(self, pool: ProcessPoolExecutor) -> None:
        self._pool = pool

    def map(self, tasks: Sequence[Task]) -> list[Score]:
        """Judge some tasks.

        Raises:
            WorkersLost: when a process was killed, most likely for want of memory.
        """
        try:
            return list(self._pool.map(judge, tasks))
        except BrokenProcessPool as error:
            raise WorkersLost(
                "작업 프로세스가 죽었습니다(메모리 부족일 수 있습니다). --workers를 줄여 다시 실행하면 이어서 합니다.",
                "A worker process died, perhaps for want of memory. Run again with fewer --workers: it goes on.",
            ) from error


class Cluster:
    """Judges on the workers of a Dask scheduler; they need this program and its research libraries."""

    def __init__(self, client: Client, evaluator: Evaluator) -> None:
        self._client = client
        self._evaluator = client.scatter(evaluator, broadcast=True)

    def map(self, tasks: Sequence[Task]) -> list[Score]:
        """Judge some tasks.

        Raises:
            WorkersLost: when the scheduler or its workers are gone.
        """
        futures = self._client.map(judge_with, [self._evaluator] * len(tasks), list(tasks), pure=False)
        try:
            with self._client.as_current():
                wait(futures, timeout=TASK_TIMEOUT_S)
            return list(self._client.gather(futures))
        except (OSError, TimeoutError, KilledWorker, CancelledError, FuturesCancelledError) as error:
            raise lost(error) from error


def lost(error: BaseException) -> WorkersLost:
    """Return what a cluster that went away means."""
    return WorkersLost(
        f"클러스터가 작업을 마치지 못했습니다 ({type(error).__name__}). 다시 실행하면 이어서 합니다.",
        f"The cluster did not finish its work ({type(error).__name__}). Run again: it goes on where it was.",
    )


def judge_with(evaluator: Evaluator, task: Task) -> Score:
    """Judge one task on a worker of a cluster.

    Raises:
        OtherCode: when the worker was started with another version of this program.
    """
    if code_here(evaluator.strategy) != evaluator.code:
        raise OtherCode
    return evaluator(task)


@cache
def code_here(strategy: str) -> str:
    """Return the fingerprint of this process's own code."""
    return fingerprint_of_code(strategy)


OF_THIS_PROCESS: list[Evaluator] = []
"""The evaluator that a worker process was given when it was made."""


def become_judge(evaluator: Evaluator) -> None:
    """Keep the evaluator in a worker process that has just begun, in which cycles are looked for between two tasks."""
    OF_THIS_PROCESS.append(evaluator)
    keep_freed_memory()
    gc.freeze()
    gc.disable()


def judge(task: Task) -> Score:
    """Judge one task in a worker process; purchases of a task are many, and no cycle is among them."""
    score = OF_THIS_PROCESS[0](task)
    gc.collect()
    return score


@contextlib.contextmanager
def open_workers(evaluator: Evaluator, *, processes: int | None, cluster: str | None) -> Iterator[Workers]:
    """Yield who judges: a cluster at an address, some processes (None: one a core), or with one this process.

    Raises:
        WorkersLost: when nobody answers at the address, or no worker has come to it.
    """
    count = processes or os.cpu_count() or 1
    if cluster is not None:
        with connect(cluster) as client:
            yield Cluster(client, evaluator)
    elif count == 1:
        yield Inline(evaluator)
    else:
        context = multiprocessing.get_context("spawn")  # a fork would copy the threads of a progress bar
        with ProcessPoolExecutor(count, context, become_judge, (evaluator,)) as pool:
            yield Cores(pool)


@contextlib.contextmanager
def connect(address: str) -> Iterator[Client]:
    """Yield a connection to a scheduler that has workers."""
    try:
        client = Client(address, timeout=CLUSTER_TIMEOUT_S, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        raise WorkersLost(
            f"{address}에서 Dask 스케줄러가 응답하지 않습니다. 주소를 확인하세요. 예: tcp://192.0.2.7:8786",
            f"No Dask scheduler answers at {address}. Check the address, for example tcp://192.0.2.7:8786",
        ) from error
    with client:
        try:
            client.wait_for_workers(1, timeout=CLUSTER_TIMEOUT_S)
        except TimeoutError as error:
            raise WorkersLost(
                f"{address}의 스케줄러에 워커가 없습니다. `dask worker {address}`로 시작하세요.",
                f"The scheduler at {address} has no workers. Start some with `dask worker {address}`.",
            ) from error
        yield client


class Remembering:
    """Asks each task once for ever: scores are kept in a file, so a search that was stopped goes on where it was."""

    def __init__(self, workers: Workers, path: Path) -> None:
        self._workers = workers
        self._path = path
        self._known = {key_of(line.task): line for line in read_lines(path)}
        self.known: tuple[tuple[Task, Score], ...] = tuple((line.task, line.score) for line in self._known.values())
        """What earlier searches have judged."""
        self._found_there = frozenset(self._known)
        self._reused: set[bytes] = set()

    @property
    def reused(self) -> int:
        """How many tasks an earlier search had judged, so that this one did not."""
        return len(self._reused)

    def map(self, tasks: Sequence[Task]) -> list[Score]:
        """Judge what was not judged before, and write that down.

        Raises:
            Unwritable: when the file cannot be written; what it holds stays.
        """
        keys = [key_of(task) for task in tasks]
        self._reused |= self._found_there.intersection(keys)
        fresh = {key: task for key, task in zip(keys, tasks, strict=True) if key not in self._known}
        scores = self._workers.map(list(fresh.values())) if fresh else []
        lines = [ScoreLine(task=task, score=score) for task, score in zip(fresh.values(), scores, strict=True)]
        self._known |= zip(fresh, lines, strict=True)
        try:
            with self._path.open("ab") as file:
                # Every line begins with its own end of the line before it: a line that a kill cut off spoils no other.
                file.writelines(b"\n" + msgspec.json.encode(line) for line in lines)
        except OSError as error:
            raise unwritable(self._path, error) from error
        return [self._known[key].score for key in keys]


class ScoreLine(msgspec.Struct, frozen=True):
    """One line of the file of scores."""

    task: Task
    score: Score


def read_lines(path: Path) -> Iterator[ScoreLine]:
    """Yield the lines of a file of scores; one that a kill cut off is left out."""
    if not path.exists():
        return
    for text in path.read_bytes().split(b"\n"):
        try:
            yield msgspec.json.decode(text, type=ScoreLine)
        except msgspec.DecodeError:
            continue
