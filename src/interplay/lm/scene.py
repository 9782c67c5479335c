"""A scene: what a language team is asked to do, and how its members talk while they do it.

The workflow is an async function of the user's own, `await team.say("solver", task, record)`; the scene says who its agents
are, where tasks come from and, for models that start from nothing, which words there are and how somebody competent would
have spoken. Two known instances are a router with a searcher and an answerer (`lm.tasks.ledger`) and a repeated game of two.
"""

import importlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from interplay.core.errors import InputError
from interplay.core.paths import look_here
from interplay.lm.model import Codec, Request
from interplay.lm.words import Words

Workflow = Callable[[Any, Any], Awaitable[float | dict[str, float]]]
Draw = Callable[[np.random.Generator], Any]
Script = Callable[[Request, np.random.Generator], str]


@dataclass(frozen=True)
class Scene:
    """Agents, their workflow and their tasks."""

    name: str
    agents: tuple[str, ...]
    workflow: Workflow
    """`async def workflow(team, task)`: the reward of all, or a dict with one per agent"""
    draw: Draw
    """`draw(random)` → a task, anything at all; held-out tasks come from other random numbers"""
    roles: Mapping[str, str] = field(default_factory=dict)
    """what each agent is told about its part"""
    instructions: Mapping[str, str] = field(default_factory=dict)
    """the same for models that know words, where `roles` say nothing"""
    limits: Mapping[str, int] = field(default_factory=dict)
    """longest message of each agent in tokens, 16 where it is not named"""
    vocabulary: tuple[str, ...] = ()
    """the words there are, for models that know none"""
    codec: Callable[[Sequence[str], Sequence[str]], Codec] = Words
    """how such models read them, of the vocabulary and the agents: whole words, or `Pieces` of any text"""
    context: int = 0
    """tokens that such a model has to read and say together, where that is more than usual"""
    script: Script | None = None
    """how somebody competent (more or less) would answer a request: what a warm start imitates"""
    calls: int = 64
    """most turns of one episode"""

    def limit(self, agent: str) -> int:
        """The longest message of `agent`, in tokens."""
        return self.limits.get(agent, 16)


def workflow(*agents: str, roles: Mapping[str, str] | None = None, calls: int = 64, **limits: int):
    """Say which agents a workflow of your own has: `@workflow("solver", "checker", solver=32)`, limits in tokens.

    >>> @workflow("solver", solver=4)
    ... async def alone(team, task):
    ...     return float((await team.say("solver", task)).text == "yes")
    >>> alone.agents
    ('solver',)
    """

    def mark(function: Workflow) -> Workflow:
        function.agents, function.roles = agents, dict(roles or {})  # type: ignore[attr-defined]
        function.calls, function.limits = calls, limits  # type: ignore[attr-defined]
        return function

    if not agents:
        raise InputError("a workflow needs agents: @workflow('solver', …)")
    return mark


def staged(team: Workflow, tasks: Any, name: str) -> Scene:
    """A scene of a marked workflow and a source of tasks: a function of a random generator, or a list to draw from.

    A task source may carry `vocabulary` (words for tiny models) and `script` (for their warm start). Raises `InputError`
    where the workflow names no agents.
    """
    if not hasattr(team, "agents"):
        raise InputError(f"{name} names no agents: put @interplay.lm.scene.workflow('solver', …) above it")
    about = {key: getattr(team, key) for key in ("agents", "roles", "calls", "limits")}
    vocabulary, script = tuple(getattr(tasks, "vocabulary", ())), getattr(tasks, "script", None)
    draw = tasks if callable(tasks) else _from(list(tasks))
    return Scene(name=name, workflow=team, draw=draw, vocabulary=vocabulary, script=script, **about)


def found(path: str) -> Any:
    """The object called `MODULE:NAME` in a module of the user's own. Raises `InputError` where there is none."""
    module, colon, name = path.partition(":")
    if not colon:
        raise InputError(f"'{path}' is no MODULE:NAME: write for example my_module:team")
    look_here()
    try:
        return getattr(importlib.import_module(module), name)
    except ModuleNotFoundError as missing:
        if missing.name != module:
            raise InputError(f"'{path}' imports {missing.name}, which is not installed") from None
        raise InputError(f"no module is called '{module}': give MODULE:NAME of a file in this folder") from None
    except AttributeError:
        raise InputError(f"module '{module}' has nothing called '{name}'") from None


def _from(tasks: list[Any]) -> Draw:
    if not tasks:
        raise InputError("there are no tasks: give at least one")
    return lambda random: tasks[int(random.integers(len(tasks)))]
