"""Systems code that searches write, by name: cache eviction, placing of experts, job scheduling, transaction ordering."""

from collections.abc import Callable, Mapping

from interplay import games
from interplay.core.errors import InputError
from interplay.core.names import chosen, nearest
from interplay.text.systems import cache, experts, jobs, transactions
from interplay.text.systems.task import Task

TASKS: Mapping[str, Task] = {each.TASK.name: each.TASK for each in (cache, experts, jobs, transactions)}


MAKERS: Mapping[str, tuple[Callable[..., Task], tuple[str, ...]]] = {
    "cache": (cache.task, ("traces",))
}  # and their words


def named(name: str) -> Task:
    """The task called `name`, or NAME(key=value) where it comes in kinds. Raises `InputError` with the nearest names where
    there is none.

    >>> named("cache(traces='bundled')").train()[0].family
    'compiler'
    """
    head, given = games.parse(name)
    one = chosen(TASKS, "the task", head)
    make, known = MAKERS.get(head, (lambda: one, ()))
    for key in given:
        if key not in known:
            raise InputError(
                f"the task {head} has no setting '{key}': {nearest(key, known) if known else 'leave it away'}"
            )
    return make(**given)
