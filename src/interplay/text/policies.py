"""Policies of grid social dilemmas as short readable text: who cleans, which apples whom, what to do otherwise, when to fire.

A policy is one text that all agents follow. It has plans; each agent follows, at every step, the first whose condition holds
for it. "Everybody takes the nearest apple" and "the first two agents clean" are two known instances:

    always:                                 if id % 5 < 1:
        cleaners 0                              cleaners 10
        apples nearest                      else:
                                                cleaners 0

Lines that are left out have their defaults. The grammar is that of the studied families of policy synthesis; `policy_play` runs
it and `policy_changes` varies it.

Source: Gallego, "Cooperation and Exploitation in LLM Policy Synthesis for Sequential Social Dilemmas" (2026), its reference
policies.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from jaxtyping import Float

from interplay.core.errors import InputError

WHO = ("lowest", "nearest", "rotating")  # ids; nearest to the river; ids that move on every `period` steps
APPLES = ("nearest", "zones", "closest")  # any; those of the own zone; those that no other agent is nearer to
IDLE = ("stand", "home")  # where there is no apple to go for: stand, or walk to the middle of the own zone
FIRE = ("never", "near", "contested")  # at rivals within some steps; at those who go for an apple as near to them
VARIABLES = (
    "waste",
    "apples",
    "id",
    "rival",
)  # foul share of the river, ripe share, number mod m, steps to the next rival
MOST = 4  # plans of a policy
LARGEST = 99  # cleaners and steps


@dataclass(frozen=True)
class Plan:
    """What an agent does: it fires if it should, else cleans if it is its turn, else goes for an apple, else idles."""

    cleaners: int = 0
    """Agents that clean"""
    more: int = 0
    """Agents that clean while at least `above` of the river is foul"""
    above: float = 0.0
    """Share of the river; 0: always `more`, which is then the same as `cleaners`"""
    who: str = "lowest"
    """Which agents clean, one of `WHO`"""
    period: int = 100
    """Steps after which others clean (rotating)"""
    trigger: int = 1
    """Foul cells that a beam must clear to be worth it"""
    apples: str = "nearest"
    """Which apples to go for, one of `APPLES`"""
    idle: str = "stand"
    """What to do where there are none, one of `IDLE`"""
    fire: str = "never"
    """When to fire, one of `FIRE`"""
    within: int = 3
    """Steps within which rivals, or apples of both, are near"""


@dataclass(frozen=True)
class Guard:
    """A condition: a variable is below a bound, or at least it."""

    variable: str
    below: bool
    bound: float
    modulus: int = 2
    """Of id only"""


@dataclass(frozen=True)
class Policy:
    """Plans with conditions, of which the first that holds is followed, and the plan for all else."""

    branches: tuple[tuple[Guard, Plan], ...]
    otherwise: Plan


def fixed(cleaners: int, **more: Any) -> Plan:
    """A plan in which always the same number cleans.

    >>> fixed(2).more
    2
    """
    return Plan(cleaners=cleaners, more=cleaners, **more)


REFERENCES: Mapping[str, Policy] = {
    "greedy": Policy((), Plan()),
    **{f"{count} clean": Policy((), fixed(count)) for count in (1, 2, 3, 4)},
    "2 rotate": Policy((), fixed(2, who="rotating")),
    "zones": Policy((), Plan(apples="zones", idle="home")),
    "closest": Policy((), Plan(apples="closest", idle="home")),
    "2 rotate, zones": Policy((), fixed(2, who="rotating", apples="zones", idle="home")),
    "rivals": Policy((), Plan(fire="near", within=20)),
}


def tidy(policy: Policy) -> Policy:
    """The same policy with numbers in range, rounded as they are written, and defaults where nothing depends on them."""
    return Policy(
        tuple((_tidy_guard(guard), _tidy_plan(plan)) for guard, plan in policy.branches), _tidy_plan(policy.otherwise)
    )


def _tidy_guard(guard: Guard) -> Guard:
    modulus = int(np.clip(guard.modulus, 2, LARGEST)) if guard.variable == "id" else Guard.modulus
    share = guard.variable in ("waste", "apples")
    bound = _share(guard.bound) if share else float(np.clip(round(guard.bound), 0, LARGEST))
    return replace(guard, bound=bound, modulus=modulus)


def _tidy_plan(plan: Plan) -> Plan:
    whole = lambda value, least: int(np.clip(value, least, LARGEST))
    above, cleaners, more = _share(plan.above), whole(plan.cleaners, 0), whole(plan.more, 0)
    cleaners = more if above == 0 else cleaners
    above = 0.0 if cleaners == more else above
    plan = replace(plan, cleaners=cleaners, more=more, above=above)
    if not max(cleaners, more):
        plan = replace(plan, who=Plan.who, trigger=Plan.trigger)
    rotates, fires = plan.who == "rotating", plan.fire != "never"
    return replace(
        plan,
        period=int(np.clip(plan.period, 1, 9999)) if rotates else Plan.period,
        trigger=whole(plan.trigger, 1),
        within=whole(plan.within, 1) if fires else Plan.within,
    )


def _share(value: float) -> float:
    return float(np.round(np.clip(value, 0, 1), 3))


def write(policy: Policy) -> str:
    """The text of a policy; `parse` gives the same policy back.

    >>> print(write(REFERENCES["2 rotate"]))
    always:
        cleaners 2
        chosen rotating 100
        trigger 1
        apples nearest
        idle stand
        fire never
    """
    policy = tidy(policy)
    parts = [f"if {_guard_text(guard)}:\n{_plan_text(plan)}" for guard, plan in policy.branches]
    last = "else" if parts else "always"
    return "\n".join([*parts, f"{last}:\n{_plan_text(policy.otherwise)}"])


def _guard_text(guard: Guard) -> str:
    name = f"id % {guard.modulus}" if guard.variable == "id" else guard.variable
    return f"{name} {'<' if guard.below else '>='} {guard.bound:g}"


def _plan_text(plan: Plan) -> str:
    count = f"{plan.cleaners}, {plan.more} where waste >= {plan.above:g}" if plan.above else str(plan.cleaners)
    lines = [f"cleaners {count}"]
    if max(plan.cleaners, plan.more):
        lines += [f"chosen {plan.who}{f' {plan.period}' if plan.who == 'rotating' else ''}", f"trigger {plan.trigger}"]
    lines += [f"apples {plan.apples}", f"idle {plan.idle}"]
    lines += [f"fire {plan.fire}{f' {plan.within}' if plan.fire != 'never' else ''}"]
    return "\n".join("    " + line for line in lines)


NUMBER = r"(\d+(?:\.\d+)?)"
GUARD = re.compile(rf"if (?:(waste|apples|rival)|id % (\d+)) (<|>=) {NUMBER}:")
LINES: Mapping[str, tuple[re.Pattern, Callable[..., dict[str, Any]]]] = {
    "cleaners": (
        re.compile(rf"(\d+)(?:, (\d+) where waste >= {NUMBER})?"),
        lambda count, more, above: {
            "cleaners": int(count), "more": int(more or count), "above": float(above or 0),
        },
    ),
    "chosen": (re.compile(r"(lowest|nearest|rotating)(?: (\d+))?"), lambda who, period: _with("who", who, "period", period)),
    "trigger": (re.compile(r"(\d+)"), lambda count: {"trigger": int(count)}),
    "apples": (re.compile("(" + "|".join(APPLES) + ")"), lambda apples: {"apples": apples}),
    "idle": (re.compile("(" + "|".join(IDLE) + ")"), lambda idle: {"idle": idle}),
    "fire": (re.compile(r"(never|near|contested)(?: (\d+))?"), lambda fire, within: _with("fire", fire, "within", within)),
}  # fmt: skip


def _with(name: str, value: str, other: str, number: str | None) -> dict[str, Any]:
    return {name: value} | ({other: int(number)} if number else {})


def parse(text: str) -> Policy:
    """The policy that a text says; empty lines and what follows a # are left out.

    Raises `InputError` for lines that cannot be read, plans that repeat a line, and more than four plans.

    >>> parse("if waste >= 0.3:\\n  cleaners 4\\nelse:\\n  cleaners 1").otherwise.more
    1
    """
    heads: list[str] = []
    plans: list[dict[str, Any]] = []
    seen: set[str] = set()
    for line in (" ".join(each.split("#")[0].split()) for each in text.splitlines()):
        if line.endswith(":"):
            heads.append(line)
            plans.append({})
            seen = set()
        elif line:
            if not plans:
                raise InputError(f"'{line}' stands outside a plan: begin with 'always:' or 'if waste >= 0.3:'")
            word = line.split()[0]
            if word in seen:
                raise InputError(f"a plan has two lines '{word}': leave one away")
            seen.add(word)
            plans[-1] |= _line(line)
    if not heads or heads[-1] != ("else:" if len(heads) > 1 else "always:"):
        raise InputError("the text has no last plan: end it with 'else:' after conditions, or write one plan 'always:'")
    if len(heads) > MOST:
        raise InputError(f"the text has {len(heads)} plans: {MOST} at most")
    made = [Plan(**plan) for plan in plans]
    return tidy(Policy(tuple((_guard(head), plan) for head, plan in zip(heads[:-1], made, strict=False)), made[-1]))


def _line(line: str) -> dict[str, Any]:
    word, _, rest = line.partition(" ")
    if word not in LINES:
        raise InputError(f"cannot read the line '{line}': a plan has lines {', '.join(LINES)}")
    pattern, meaning = LINES[word]
    found = pattern.fullmatch(rest)
    if found is None:
        raise InputError(f"cannot read the line '{line}': write {EXAMPLES[word]}")
    return meaning(*found.groups())


EXAMPLES = {
    "cleaners": "'cleaners 2' or 'cleaners 1, 4 where waste >= 0.3'",
    "chosen": "'chosen lowest', 'chosen nearest' or 'chosen rotating 100'",
    "trigger": "'trigger 2', foul cells in the beam",
    "apples": f"'apples' and one of {', '.join(APPLES)}",
    "idle": "'idle stand' or 'idle home'",
    "fire": "'fire never', 'fire near 5' or 'fire contested 5'",
}


def _guard(head: str) -> Guard:
    found = GUARD.fullmatch(head)
    if found is None:
        raise InputError(
            f"cannot read the condition '{head}': compare waste, apples, rival or id % 3 with a number by < or >=, "
            "such as 'if waste >= 0.3:'"
        )
    name, modulus, sign, bound = found.groups()
    return Guard(name or "id", sign == "<", float(bound), int(modulus or Guard.modulus))


PLAN_GENES = tuple(field.name for field in fields(Plan))
GENES = ("variable", "below", "bound", "modulus", *PLAN_GENES)
CHOICES: Mapping[str, tuple[str, ...]] = {
    "variable": VARIABLES, "who": WHO, "apples": APPLES, "idle": IDLE, "fire": FIRE,
}  # fmt: skip
NEVER, ALWAYS = Guard("waste", True, -1.0), Guard("waste", False, -1.0)


def genes(policy: Policy) -> Float[np.ndarray, "plan gene"]:
    """A policy as numbers: a row for each plan and its condition; choices count from 0 and absent plans never hold.

    >>> genes(REFERENCES["greedy"]).shape
    (4, 14)
    """
    policy = tidy(policy)
    absent = [(NEVER, Plan())] * (MOST - 1 - len(policy.branches))
    rows = [*policy.branches, *absent, (ALWAYS, policy.otherwise)]
    return np.array([_row({**vars(guard), **vars(plan)}) for guard, plan in rows], np.float32)


def _row(values: Mapping[str, Any]) -> list[float]:
    return [float(CHOICES[name].index(values[name]) if name in CHOICES else values[name]) for name in GENES]
