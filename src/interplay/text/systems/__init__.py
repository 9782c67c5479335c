"""Systems code that searches write, by name: cache eviction, placing of experts, job scheduling, transaction ordering."""

from collections.abc import Mapping

from interplay.core.names import chosen
from interplay.text.systems import cache, experts, jobs, transactions
from interplay.text.systems.task import Task

TASKS: Mapping[str, Task] = {each.TASK.name: each.TASK for each in (cache, experts, jobs, transactions)}


def named(name: str) -> Task:
    """The task called `name`. Raises `InputError` with the nearest names where there is none."""
    return chosen(TASKS, "the task", name)
