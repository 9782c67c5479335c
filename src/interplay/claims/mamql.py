"""MAMQL's claim: marginal values learned from few demonstrations give back how several agents act and what each of them wants.

Demonstrators are worked out exactly (`measure.boltzmann`), so their rewards are known. Scores are the share of the
demonstrators' return, from what random play earns (0) to what they earn themselves (1); arms called "reward: …" are
correlations of the recovered with the true reward, every state's mean taken out. All arms see the same episodes, take the same
environment steps, and know the demonstrators' temperature.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from interplay import games
from interplay.bench.claim import Claim, Computed, Control, Outcome, Scale
from interplay.bench.verdict import at_least, better
from interplay.games.enumerated import Enumerated, enumerated, forgetting
from interplay.measure import boltzmann, recovery, returns, reward_map
from interplay.methods import imitation, mamql
from interplay.methods.baselines import behavior_cloning, iq_learn, ma_airl
from interplay.nets.lookup import Lookup
from interplay.objectives import inverse
from interplay.play import demonstrations
from interplay.run import figures

DISCOUNT, TEMPERATURE, SHOWN, EPISODES = 0.9, 0.2, 20, 512
GAMES = {
    "crossing": "interplay.games.intersection:intersection(agents=2)",
    "gems": "interplay.games.gems:gems_mini(size=3, horizon=15)",
    "chicken": "interplay.games.intersection:intersection(agents=2, approach=1, hurry=(0.5, 0.1))",
}


class Study(NamedTuple):
    """A game with everything known: its states, its demonstrators, what they and random play earn."""

    listed: Enumerated
    expert: boltzmann.Equilibrium
    weight: jax.Array
    team: Lookup
    best: float
    floor: float


class Arm(NamedTuple):
    """How an arm is built from its settings and episodes, and what its team says that choices are worth."""

    build: Callable[..., Any]
    settings: Callable[..., Any]
    rewards: Callable[[Any, Study], tuple[jax.Array, jax.Array]]


@functools.cache
def study(name: str) -> Study:
    """The exact demonstrators of a game. They are an equilibrium up to 1e-3, or this raises."""
    game = games.make(name)
    counters = ("step", "taken") if "gems" in name else ("step",)
    listed = enumerated(game, forgetting(*counters))
    expert = jax.jit(lambda listed: boltzmann.equilibrium(listed, DISCOUNT, TEMPERATURE, damping=0.2))(listed)
    if not float(expert.residual) < 1e-3:
        raise RuntimeError(f"no equilibrium was found in {name}: the residual is {float(expert.residual):.3g}")
    weight = boltzmann.occupancy(listed, expert.policy, DISCOUNT)
    known = jnp.swapaxes(listed.seen.observation, 0, 1)
    team = Lookup(known=known, policy=expert.policy)
    earn = lambda team: returns.play(team, game, jax.random.key(1), EPISODES).mean
    return Study(
        listed, expert, weight, team, earn(team), earn(Lookup(known=known, policy=jnp.ones_like(expert.policy)))
    )


def valued_rewards(state: Any, of: Study):
    """Rewards and values that soft-Q values stand for."""
    values = jax.vmap(lambda seen: state.team.values((), seen)[1])(of.listed.seen)
    values = jnp.swapaxes(values, 0, 1)
    return recovery.implied(of.listed, of.expert.policy, values, DISCOUNT, TEMPERATURE), values


def judged_rewards(state: Any, of: Study):
    """g of the discriminators, and the log-chances of the policies in the place of values."""
    seen = of.listed.seen
    judge = lambda agent: jax.vmap(lambda x: state.judges.seat(agent).reward((), x)[1])(seen.observation[:, agent])
    reward = jnp.stack([judge(agent) for agent in range(of.listed.agents)])
    actor = lambda agent: jax.vmap(lambda x, legal: state.team.actors.seat(agent)((), x, legal)[1].log_probs)
    chance = [actor(agent)(seen.observation[:, agent], seen.legal[:, agent]) for agent in range(of.listed.agents)]
    return TEMPERATURE * reward, TEMPERATURE * jnp.stack(chance)


class Learned(NamedTuple):
    """Per seed: the share of the demonstrators' return, and the correlation of reward; the first seed's reward maps."""

    shares: list[float]
    rewards: list[float]
    maps: list[dict[str, Any]]


@functools.cache
def trained(kind: str, name: str, seeds: int, steps: int) -> Learned:
    """The seeds of one arm on one game, trained and compared with the demonstrators."""
    arm, of, game = ARMS[kind], study(name), games.make(name)
    shares, rewards, maps = [], [], []

    @eqx.filter_jit
    def train(rows, key):
        shown = demonstrations.Demonstrations(rows, name, "an exact equilibrium")
        method = arm.build(arm.settings(game=name), shown)
        start, run = jax.random.split(key)
        state, rest = eqx.partition(method.init(start), eqx.is_array)
        update = lambda state, key: (eqx.filter(method.step(eqx.combine(state, rest), key)[0], eqx.is_array), None)
        state, _ = jax.lax.scan(update, state, jax.random.split(run, max(1, steps // method.cost.steps)))
        return eqx.combine(state, rest), arm.rewards(eqx.combine(state, rest), of)

    for seed in range(seeds):
        key = jax.random.key(100 + seed)
        shown = demonstrations.record(of.team, game, name, key, SHOWN)
        rows = _padded(shown.rows, SHOWN * game.spec.horizon)
        state, (reward, values) = train(rows, jax.random.fold_in(key, 1))
        earned = returns.play(state.team, game, jax.random.key(2), EPISODES).mean
        found = recovery.recovery(of.listed, of.expert, reward, values, of.weight)
        shares.append((earned - of.floor) / (of.best - of.floor))
        rewards.append(float(found.reward.mean()))
        maps += [] if maps else mapped(of, game, reward)
    return Learned(shares, rewards, maps)


def mapped(of: Study, game: Any, reward: jax.Array) -> list[dict[str, Any]]:
    """The exact marginal rewards on the game's map beside `reward`, states counted by the demonstrators' visits."""
    on = reward_map.places(game)
    if on is None:
        return []
    true = recovery.true_marginal(of.listed, of.expert.policy)
    pairs = reward_map.compared(true, reward, of.listed.seen, of.weight, on)
    return [{"seed": 0, **one} for one in figures.beside(pairs, on, "over all states as demonstrators visit them")]


def _padded(rows, count: int):
    """Episodes over and over until there are `count` rows, so that all seeds share one program."""
    places = np.arange(count) % rows.started.shape[1]
    return jax.tree.map(lambda leaf: leaf[:, places], rows)


def play(kind: str, about: str = "") -> Computed:
    """What the arm's team earns."""

    def work(game: str, scale: Scale) -> Outcome:
        return Outcome(trained(kind, game, scale.seeds, scale.steps).shares, None, {"steps": scale.steps})

    return Computed(work, about or f"{kind}: share of the demonstrators' return, sampled")


def reward(kind: str) -> Computed:
    """How well the arm's team says what demonstrators want, in numbers and as maps."""

    def work(game: str, scale: Scale) -> Outcome:
        found = trained(kind, game, scale.seeds, scale.steps)
        return Outcome(found.rewards, None, {"steps": scale.steps}, figures=found.maps)

    return Computed(work, f"{kind}: correlation of recovered and true reward")


SHAPE = {"discount": DISCOUNT, "temperature": TEMPERATURE, "width": 32, "rate": 2e-3}


def _set(module, **changes):
    return functools.partial(module.Settings, **{**SHAPE, **changes})


ARMS = {
    "mamql": Arm(mamql.build, _set(mamql, length=4), valued_rewards),
    "as published": Arm(mamql.build, _set(mamql, length=4, hold="expert"), valued_rewards),
    "iq-learn": Arm(iq_learn.build, _set(iq_learn, offline=True, hold="expert"), valued_rewards),
    "behavior-cloning": Arm(behavior_cloning.build, _set(behavior_cloning), valued_rewards),
    "ma-airl": Arm(ma_airl.build, _set(ma_airl, batch=8, length=8), judged_rewards),
    "all at once": Arm(functools.partial(mamql.build, turns=imitation.at_once), _set(mamql), valued_rewards),
    "even others": Arm(functools.partial(mamql.build, others=inverse.evenly()), _set(mamql, length=4), valued_rewards),
    "no regularizer": Arm(
        functools.partial(mamql.build, penalize=inverse.identity), _set(mamql, length=4, hold="expert"), valued_rewards
    ),
}

CLAIM = Claim(
    slug="mamql",
    method="mamql",
    sentence="From few demonstrations, marginal values give back how each agent acts and what it wants.",
    source="Haynam et al. (2025), section 5",
    paper="more average reward, sample efficiency and reward recovery, often by 2 to 5 times [abstract]; no table was found",
    unit="share of the demonstrators' return above random play; 'reward: …' is a correlation with the true reward",
    games=GAMES,
    arms={
        "mamql": play("mamql"),
        "reward: mamql": reward("mamql"),
        "as published": play("as published", "rewards of the team's own visits are free"),
        "reward: as published": reward("as published"),
        "behavior cloning": play("behavior-cloning"),
        "reward: behavior cloning": reward("behavior-cloning"),
        "iq-learn": play("iq-learn", "independent IQ-Learn on the demonstrators' states"),
        "reward: iq-learn": reward("iq-learn"),
        "ma-airl": play("ma-airl", "a discriminator per agent, PPO"),
        "reward: ma-airl": reward("ma-airl"),
    },
    controls={
        "all at once": Control(play("all at once", "all agents step at once from one batch"), "mamql"),
        "even others": Control(play("even others", "marginal over others who choose evenly"), "mamql"),
        "reward: even others": Control(reward("even others"), "reward: mamql"),
        "no regularizer": Control(play("no regularizer", "φ(r) = r"), "mamql"),
        "reward: no regularizer": Control(reward("no regularizer"), "reward: mamql"),
    },
    scales={
        "smoke": Scale(2, 1024),
        "small": Scale(5, 38_400),
        "paper": Scale(10, 400_000),
    },
    expect=(
        at_least("mamql", 0.8),
        better("mamql", "behavior cloning"),
        better("mamql", "iq-learn"),
        better("mamql", "ma-airl"),
        better("reward: mamql", "reward: behavior cloning"),
        better("reward: mamql", "reward: iq-learn"),
        better("reward: mamql", "reward: ma-airl"),
    ),
)
