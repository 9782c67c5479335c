"""Work shared out: the same function called with many arguments, in processes of this machine or on a Ray cluster.

A `Spread` is a `map` whose calls run side by side; what it gives is in the order of the arguments, whoever worked. Trials of a
search are the known use: those of rules (`run.searching`) and of systems code (`run.evolving`).
"""

import concurrent.futures
import multiprocessing
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from interplay.core.errors import InputError

Spread = Callable[[Callable[..., Any], Sequence[tuple[Any, ...]]], list[Any]]
Place = Callable[[int], AbstractContextManager[Spread]]
KILLED = (
    "a process that scores was killed, perhaps for want of memory: run the same command again, with fewer --workers"
)


@contextmanager
def processes(count: int) -> Iterator[Spread]:
    """Over so many processes of this machine, which stay warm.

    Raises `InputError` for no process, and where one is killed from outside.
    """
    _some(count)
    with concurrent.futures.ProcessPoolExecutor(count, multiprocessing.get_context("spawn"), _begin) as pool:

        def spread(function: Callable[..., Any], calls: Sequence[tuple[Any, ...]]) -> list[Any]:
            try:
                return list(pool.map(function, *zip(*calls, strict=True)))
            except BrokenProcessPool:
                raise InputError(KILLED) from None

        yield spread


@contextmanager
def cluster(count: int) -> Iterator[Spread]:
    """Over so many workers of the cluster that `connected` finds, or as many as it has processors, if these are fewer.

    Raises `InputError` where Ray is missing, the cluster has no processor, and where a worker is lost.
    """
    _some(count)
    ray = connected()
    count = min(count, int(ray.cluster_resources().get("CPU", 0)))
    if count < 1:
        raise InputError("the cluster has no processor: start one with ray start --head, or leave --on away")
    actors = [ray.remote(num_cpus=1)(_Worker).remote() for _ in range(count)]

    def spread(function: Callable[..., Any], calls: Sequence[tuple[Any, ...]]) -> list[Any]:
        from ray.util import ActorPool

        try:
            return list(ActorPool(actors).map(lambda actor, call: actor.work.remote(function, call), list(calls)))
        except ray.exceptions.RayActorError:
            raise InputError(KILLED) from None

    try:
        yield spread
    finally:
        for actor in actors:
            ray.kill(actor)


PLACES: Mapping[str, Place] = {"": processes, "ray": cluster}


def place(on: str) -> Place:
    """Where work is done, by name. Raises `InputError` for a name that is none.

    >>> place("") is processes
    True
    """
    if on not in PLACES:
        raise InputError(f"cannot run on '{on}': leave --on away, or say --on ray")
    return PLACES[on]


def connected() -> Any:
    """Ray, connected to the cluster at RAY_ADDRESS, or to one on this machine where there is none.

    Raises `InputError` where Ray is missing.
    """
    try:
        import ray
    except ModuleNotFoundError:
        raise InputError("running on a cluster needs Ray: pip install 'interplay[ray]'") from None
    if not ray.is_initialized():
        ray.init(address=os.environ.get("RAY_ADDRESS"), log_to_driver=False, configure_logging=False)
    return ray


class _Worker:
    """One process of a cluster."""

    def __init__(self):
        _settle()

    def work(self, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
        return function(*arguments)


def _some(count: int) -> None:
    if count < 1:
        raise InputError(f"cannot work in {count} processes: give 1 or more")


def _begin() -> None:
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent stops the search, between two batches or at once
    _settle()


def _settle() -> None:
    import jax

    from interplay.run import devices

    jax.config.update("jax_cpu_enable_async_dispatch", False)  # walks of small games are shorter than handing them over
    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_cpu_multi_thread_eigen=false".strip()
    devices.prepare(1)
