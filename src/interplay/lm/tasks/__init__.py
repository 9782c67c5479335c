"""Tasks for language teams by name; nothing heavy is loaded before one is made.

`make("ledger")`, `make("ledger(cost=0.05)")`, `make("reasoning-gym:chain_sum")`, `make("my_module:scene")`.
"""

import difflib
import importlib
from typing import Any

from interplay import games
from interplay.core.errors import InputError
from interplay.core.names import nearest
from interplay.lm import scene
from interplay.lm.scene import Scene

MODULES = {  # name -> (module:maker, what it is)
    "ledger": ("ledger:ledger", "a router, a searcher and an answerer look up entries; half are known by heart"),
    "ledger-alone": ("ledger:alone", "the ledger for a single agent that does all of it"),
    "two-hop": ("delegation:two_hop", "a planner sends a seeker for one fact at a time"),
    "two-hop-alone": ("delegation:alone", "the same questions for a single clerk"),
    "k-hop": ("hops:k_hop", "one agent follows a chain of names, look by look"),
    "modular-sums": ("sums:modular_sums", "a solver adds, a verifier accepts or rejects"),
    "dilemma": ("dilemma:dilemma", "the iterated prisoner's dilemma: two say A or B, round by round"),
    "split": ("bargaining:split", "two share three goods that each values otherwise, ten times over"),
    "trust-and-split": ("bargaining:trust_and_split", "two with hidden hands talk, then ask for coins"),
    "ledger-routed": ("ledger:routed", "the ledger with chance in the router's place"),
}
ADAPTERS = {  # prefix -> (module, an example, what it gives); modules of layers above are known by name only
    "reasoning-gym": (
        "interplay.lm.tasks.reasoning",
        "basic_arithmetic",
        "any of reasoning-gym's tasks; its verifier gives the reward",
    ),
    "game": (
        "interplay.run.shared_table",
        "kuhn",
        "any game of choices in words; networks and strategies may sit on other seats",
    ),
}


def catalog() -> dict[str, str]:
    """Tasks by name with what they are, then how each adapter's tasks are named."""
    examples = {f"{prefix}:{example}": text for prefix, (_, example, text) in ADAPTERS.items()}
    return {**{name: text for name, (_, text) in MODULES.items()}, **examples, "MODULE:NAME": "a scene of your own"}


def make(name: str, team: str = "", task: str = "") -> Scene:
    """The scene called `name`; with `team` and `task`, MODULE:NAME of the user's own, another workflow or other tasks.

    Raises `InputError` with the nearest names where there is none.
    """
    if team and task:
        return scene.staged(scene.found(team), scene.found(task), team)
    given = _named(name)
    if team or task:
        import dataclasses

        workflow = scene.found(team) if team else given.workflow
        draw = scene.found(task) if task else given.draw
        return dataclasses.replace(given, workflow=workflow, draw=draw)
    return given


def _named(name: str) -> Scene:
    head, arguments = games.parse(name)
    prefix, _, rest = head.partition(":")
    if prefix in ADAPTERS:
        adapter = importlib.import_module(ADAPTERS[prefix][0])
        return _called(adapter.make, name, rest, **arguments)
    near = difflib.get_close_matches(prefix, ADAPTERS, n=1, cutoff=0.8) if rest else []
    if near:
        raise InputError(f"no task for language teams is called '{head}': did you mean {near[0]}:{rest}?")
    if ":" in head:
        made = scene.found(head)
        made = made(**arguments) if callable(made) else made
        if not isinstance(made, Scene):
            raise InputError(f"'{name}' is no scene: give an interplay.lm.scene.Scene, or a function that makes one")
        return made
    if head not in MODULES:
        raise InputError(f"no task for language teams is called '{head}': {nearest(head, MODULES)}")
    module, _, attribute = MODULES[head][0].partition(":")
    return _called(getattr(importlib.import_module(f"interplay.lm.tasks.{module}"), attribute), name, **arguments)


def _called(maker: Any, name: str, *rest: str, **arguments: Any) -> Scene:
    try:
        return maker(*rest, **arguments)
    except TypeError as wrong:
        raise InputError(f"cannot make '{name}': {wrong}") from None
