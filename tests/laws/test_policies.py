"""Compiled policies do what their text says: a plain reading of it, agent by agent and rule by rule, does the same."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from interplay import games
from interplay.core.errors import InputError
from interplay.games import grid, grid_views
from interplay.text import policies, policy_changes, policy_play
from interplay.text.policies import REFERENCES, Guard, Plan, Policy

POND, STEPS = "cleanup(map='pond', agents=4)", 20


def plainly(view, policy, agents):
    """What one agent does, from its view."""
    place = lambda who: view.place[tuple(view.position[who])]
    steps = lambda who, cells: view.distance[place(who), cells]
    rivals = [steps(view.agent, place(other)) for other in view.others]
    river, ripe = view.place[view.river], view.ripe[view.orchard].mean()
    values = {
        "waste": view.waste[view.river].mean() if river.size else 0,
        "apples": ripe,
        "rival": min(rivals, default=1e6),
    }
    plan = policy.otherwise
    for guard, inner in reversed(policy.branches):
        value = view.agent % guard.modulus if guard.variable == "id" else values[guard.variable]
        plan = inner if (np.float32(value) < np.float32(guard.bound)) == guard.below else plan
    if fires(view, plan, steps, place):
        return grid.FIRE
    quota = plan.more if np.float32(values["waste"]) >= np.float32(plan.above) else plan.cleaners
    rank = {
        "lowest": lambda: view.agent,
        "rotating": lambda: (view.agent - quota * (view.step // plan.period)) % agents,
        "nearest": lambda: sorted(range(agents), key=lambda who: (steps(who, river).min(), who)).index(view.agent),
    }
    if river.size and rank[plan.who]() < quota and (found := cleans(view, plan.trigger)) is not None:
        return found
    return eats(view, plan, steps, agents)


def fires(view, plan, steps, place):
    area = swept(view, int(view.facing[view.agent]), *view.here)
    apples = view.place[view.ripe]
    for other in view.others:
        if plan.fire == "never" or not area[tuple(view.position[other])]:
            continue
        both = (steps(view.agent, apples) <= plan.within) & (steps(other, apples) <= plan.within)
        if both.any() if plan.fire == "contested" else steps(view.agent, place(other)) <= plan.within:
            return True
    return False


AREAS = {}


def swept(view, facing, row, column):
    """The cells of a beam, looked up once."""
    place = (view.walls.tobytes(), facing, row, column)
    if place not in AREAS:
        AREAS[place] = grid_views.beam_area(view, facing, (row, column))
    return AREAS[place]


def cleans(view, trigger):
    count = lambda cell, facing: (swept(view, facing, *map(int, cell)) & view.waste).sum()
    facing, here = view.facing[view.agent], [count(view.here, way) for way in range(4)]
    if here[facing] >= trigger:
        return grid.CLEAN
    if max(here) >= trigger:
        return grid.TURN_LEFT if (np.argmax(here) - facing) % 4 == 3 else grid.TURN_RIGHT
    spots = np.zeros(view.walls.shape, bool)
    for cell in np.argwhere(~view.walls):
        spots[tuple(cell)] = max(count(cell, way) for way in range(4)) >= trigger
    return grid_views.action(view, grid_views.first_step(view, spots)) if spots.any() else None


def eats(view, plan, steps, agents):
    cells = np.argwhere(view.orchard)
    tall = view.walls.shape[0] >= view.walls.shape[1]
    order = sorted(range(len(cells)), key=lambda at: tuple(cells[at]) if tall else tuple(cells[at][::-1]))
    zone = {at: rank * agents // len(cells) for rank, at in enumerate(order)}
    mine = np.zeros(view.walls.shape, bool)
    for at, cell in enumerate(cells):
        away = [steps(who, view.place[tuple(cell)]) if view.timeout[who] == 0 else 1e6 for who in range(agents)]
        owner = {"nearest": view.agent, "zones": zone[at], "closest": int(np.argmin(away))}[plan.apples]
        mine[tuple(cell)] = owner == view.agent
    step = grid_views.first_step(view, mine & view.ripe)
    if step is None and plan.idle == "home":
        own = np.array([view.place[tuple(cells[at])] for at in sorted(zone) if zone[at] == view.agent])
        middle = own[view.distance[np.ix_(own, own)].sum(1).argmin()]
        step = grid_views.first_step(view, view.place == middle)
    return grid_views.action(view, step)


def mixtures(count):
    """Policies after many changes, so that all rules occur."""
    rng, found = np.random.default_rng(5), list(REFERENCES.values())
    found.append(Policy(((Guard("rival", True, 3.0), Plan(fire="contested", within=4)),), policies.fixed(2, trigger=4)))
    found.append(Policy((), policies.fixed(3, who="nearest", apples="closest", idle="home")))
    while len(found) < count:
        policy = found[int(rng.integers(len(found)))]
        made = policy_changes.change(policy, policy_changes.NAMES[int(rng.integers(len(policy_changes.NAMES)))], rng)
        found += [made.policy] if made else []
    return found


@pytest.mark.parametrize("name", [POND, "gathering(map='garden', agents=3)"])
def test_compiled_policies_do_what_a_plain_reading_does(name):
    game = games.make(name)
    agents, decide = game.spec.agents, jax.jit(policy_play.decider(game))
    advance, done = jax.jit(game.step), set()
    for number, policy in enumerate(mixtures(18)):
        genes, keys = policies.genes(policy), jax.random.split(jax.random.key(number), STEPS + 1)
        state, _ = game.reset(keys[0])
        for key in keys[1:]:
            action = np.asarray(decide(state, genes))
            for agent in np.flatnonzero(np.asarray(state.bodies.timeout) == 0):
                assert action[agent] == plainly(game.view(state, int(agent)), policy, agents), policies.write(policy)
                done.add(int(action[agent]))
            state, _ = advance(state, jnp.asarray(action), key)
    turns = {grid.TURN_LEFT, grid.TURN_RIGHT} if "gathering" in name else set()  # only who cleans turns
    assert done == set(range(game.spec.action.width)) - turns, "some action was never tried"


def test_scores_do_not_depend_on_what_is_scored_beside_and_hold_what_returns_say():
    look = policy_play.Evaluator(games.make(POND), steps=30, seeds=2, lanes=3)
    names = ("greedy", "1 clean", "2 rotate", "zones", "rivals")
    together = look([REFERENCES[name] for name in names])
    assert together[3] == look([REFERENCES["zones"]])[0]
    for each in together:
        assert each.efficiency == pytest.approx(4 * each.reward / 30, abs=1e-5)
    assert together[0].peace == 4 and together[4].peace < 4
    with pytest.raises(InputError, match="gathering, cleanup and harvest"):
        policy_play.decider(games.make("spread"))
