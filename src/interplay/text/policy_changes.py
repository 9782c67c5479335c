"""Changes of policies, each with a name that says which way it goes: more cleaners, fewer, take turns, share apples, fire less.

Every change keeps policies readable and within bounds. Because they have a direction, what a policy comes to can tell which one
to try: that is what `methods.policy_synthesis` learns. Genetic programming with one pool of mutations is the other known use.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from interplay.text import policies
from interplay.text.policies import APPLES, FIRE, MOST, WHO, Guard, Plan, Policy

Generator = np.random.Generator
PERIODS = (25, 50, 100, 200)
STRENGTHS = (1, 2, 4, 7, 10, 20)  # steps within which rivals are near
TRIES = 20


class Change(NamedTuple):
    """A child and the name of the change."""

    policy: Policy
    how: str


def change(
    policy: Policy, how: str, rng: Generator, refuse: Callable[[Policy], bool] = lambda child: False
) -> Change | None:
    """A child of `policy` by the change called `how`, another policy and not refused; None where none was found.

    >>> child = change(policies.REFERENCES["greedy"], "more cleaners", np.random.default_rng(0))
    >>> child.policy.otherwise.cleaners
    1
    """
    parent = policies.tidy(policy)
    for _ in range(TRIES):
        child = policies.tidy(CHANGES[how](parent, rng))
        if child != parent and not refuse(child):
            return Change(child, how)
    return None


def _one(rng: Generator, choices):
    return choices[int(rng.integers(len(choices)))]


def _other(rng: Generator, choices, now):
    return _one(rng, [each for each in choices if each != now])


def _somewhere(edit: Callable[[Plan, Generator], Plan]) -> Callable[[Policy, Generator], Policy]:
    """The change of one plan, any of a policy's."""

    def changed(policy: Policy, rng: Generator) -> Policy:
        at = int(rng.integers(len(policy.branches) + 1))
        if at == len(policy.branches):
            return replace(policy, otherwise=edit(policy.otherwise, rng))
        guard, plan = policy.branches[at]
        return _put(policy, at, (guard, edit(plan, rng)))

    return changed


def _put(policy: Policy, at: int, branch: tuple[Guard, Plan]) -> Policy:
    return replace(policy, branches=(*policy.branches[:at], branch, *policy.branches[at + 1 :]))


def _shifted(plan: Plan, by: int) -> Plan:
    return replace(plan, cleaners=max(plan.cleaners + by, 0), more=max(plan.more + by, 0))


def _staged(plan: Plan, rng: Generator) -> Plan:
    """More cleaners while much is foul; or, where it is so, the same number always."""
    if plan.above:
        return replace(plan, above=0.0)
    return replace(
        plan, cleaners=plan.more, more=plan.more + 1 + int(rng.integers(3)), above=round(rng.uniform(0.05, 0.4), 2)
    )


def _take_turns(plan: Plan, rng: Generator) -> Plan:
    return replace(plan, who="rotating", period=_other(rng, PERIODS, plan.period if plan.who == "rotating" else 0))


def _stay(plan: Plan, rng: Generator) -> Plan:
    return replace(plan, who=_other(rng, [who for who in WHO if who != "rotating"], plan.who))


def _beam(plan: Plan, by: int, rng: Generator) -> Plan:
    rule = int(np.clip(FIRE.index(plan.fire) * -1 % 3 + by, 0, 2))  # never, contested, near: from peace to war
    return replace(plan, fire=("never", "contested", "near")[rule], within=_one(rng, STRENGTHS))


def _split(policy: Policy, rng: Generator) -> Policy:
    """A condition under which a changed copy of the last plan is followed."""
    if len(policy.branches) + 1 >= MOST:
        return policy
    variable = _one(rng, policies.VARIABLES)
    bound = rng.uniform(0.05, 0.5) if variable in ("waste", "apples") else rng.integers(1, 8)
    guard = Guard(variable, bool(rng.integers(2)), float(bound), int(rng.integers(2, 6)))
    plan = PLAN_EDITS[_one(rng, list(PLAN_EDITS))](policy.otherwise, rng)
    return replace(policy, branches=((guard, plan), *policy.branches))


def _joined(policy: Policy, rng: Generator) -> Policy:
    """One plan less."""
    if not policy.branches:
        return policy
    at = int(rng.integers(len(policy.branches)))
    last = policy.otherwise if rng.random() < 0.5 else policy.branches[at][1]
    return Policy((*policy.branches[:at], *policy.branches[at + 1 :]), last)


def _jittered(policy: Policy, rng: Generator) -> Policy:
    """A constant moved by about a third: a condition's, or a plan's."""
    if policy.branches and rng.random() < 0.5:
        at = int(rng.integers(len(policy.branches)))
        guard, plan = policy.branches[at]
        return _put(policy, at, (replace(guard, bound=guard.bound * float(np.exp(rng.normal(0, 0.4)))), plan))
    return _somewhere(_jittered_plan)(policy, rng)


def _jittered_plan(plan: Plan, rng: Generator) -> Plan:
    name = _one(rng, ("above", "period", "within"))
    moved = getattr(plan, name) * float(np.exp(rng.normal(0, 0.4)))
    return replace(plan, **{name: moved if name == "above" else round(moved)})


PLAN_EDITS: Mapping[str, Callable[[Plan, Generator], Plan]] = {
    "more cleaners": lambda plan, rng: _shifted(plan, 1 + int(rng.random() < 0.3)),
    "fewer cleaners": lambda plan, rng: _shifted(plan, -1 - int(rng.random() < 0.3)),
    "cleaners by waste": _staged,
    "take turns": _take_turns,
    "stay cleaners": _stay,
    "higher trigger": lambda plan, rng: replace(plan, trigger=plan.trigger + 1 + int(rng.integers(3))),
    "lower trigger": lambda plan, rng: replace(plan, trigger=plan.trigger - 1 - int(rng.integers(3))),
    "share apples": lambda plan, rng: replace(plan, apples=_other(rng, APPLES, plan.apples)),
    "idle": lambda plan, rng: replace(plan, idle=_other(rng, policies.IDLE, plan.idle)),
    "more fire": lambda plan, rng: _beam(plan, 1, rng),
    "less fire": lambda plan, rng: _beam(plan, -1, rng),
}
CHANGES: Mapping[str, Callable[[Policy, Generator], Policy]] = {
    **{name: _somewhere(edit) for name, edit in PLAN_EDITS.items()},
    "new condition": _split,
    "fewer plans": _joined,
    "constant": _jittered,
}
NAMES = tuple(CHANGES)
