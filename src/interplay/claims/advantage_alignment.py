"""Advantage Alignment's claim: reciprocity is learned where naive learning ends in defection and shared rewards in a victim.

Three kinds of policy in the iterated prisoner's dilemma of ten rounds: tables over the last joint choice, whose worth against
anybody is worked out exactly; decoders that read what was said, warm-started to cooperate about three times in four; and
adapters on SmolLM2-135M-Instruct (eight rounds), which cooperates about as often by itself. All learn by playing themselves.
The score is the lesser of two shares: of what cooperating with oneself pays, (x − 1) / 2 with x per round, and of what can be
saved from somebody who always defects, 1 per round; who is cooperative or safe alone gets nothing. Everything it is made of
stands beside it, with a best response to the frozen agent (tables: exact; others: trained).
Controls take the mechanism apart: no baseline, the other's advantages of another match, the own past of another match.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from interplay.bench.claim import Claim, Computed, Control, Outcome, Scale
from interplay.bench.verdict import at_least, better
from interplay.credit import opponents
from interplay.games.iterated import prisoners_dilemma
from interplay.measure import reciprocity
from interplay.methods import alignment_games

ROUNDS, MATCHES = 10, 32
SELF, SAFE, SPARED = "with itself", "against always defect", "always defect gets"
GENEROUS, MIRROR = "against always cooperate", "against tit for tat"
RESPONDED, RESPONDER = "against a best response", "a best response gets"
Scores = dict[str, float]


class Arm(NamedTuple):
    """Settings of tables and of decoders, and what replaces parts of the credit in each."""

    tables: Mapping[str, Any] = {}
    decoders: Mapping[str, Any] = {}
    tables_choices: Mapping[str, Callable] = {}
    mix: Callable[[Any], Callable] | None = None
    deal: Callable | None = None


def robust(found: Scores) -> float:
    """min((with itself − 1) / 2, against always defect): 0.9 for tit for tat, 0 for defectors and for victims."""
    return min((found[SELF] - 1) / 2, found[SAFE])


def outcome(found: Sequence[Scores], budget: Mapping[str, float]) -> Outcome:
    """A score per seed, and all that it is made of."""
    also = {name: [one[name] for one in found] for name in found[0]}
    return Outcome([robust(one) for one in found], None, budget, also)


# Tables.


def tables(arm: Arm, game: str, scale: Scale) -> Outcome:
    """Tables learned by all seeds at once, judged exactly."""
    method = alignment_games.build(alignment_games.Settings(**arm.tables, game=game), **arm.tables_choices)
    updates = max(1, scale.steps // method.cost.steps)

    def one(key):
        start, key = jax.random.split(key)
        state, rest = eqx.partition(method.init(start), eqx.is_array)
        update = lambda state, key: (eqx.filter(method.step(eqx.combine(state, rest), key)[0], eqx.is_array), None)
        state, _ = jax.lax.scan(update, state, jax.random.split(key, updates))
        return method.team(eqx.combine(state, rest)).tables()[0]  # type: ignore[attr-defined]

    learned = np.asarray(jax.jit(jax.vmap(one))(jax.random.split(jax.random.key(11), scale.seeds)), np.float64)
    rows = [{**_judged(table), **_shown(table)} for table in learned]
    return outcome(rows, {"steps": updates * method.cost.steps, "parameters": 5})


def _judged(table: np.ndarray) -> Scores:
    payoffs = prisoners_dilemma().payoffs
    against = lambda other: reciprocity.earned(table, other, payoffs, ROUNDS)
    best = reciprocity.exploited(table, payoffs, ROUNDS)
    defector = against(reciprocity.ALWAYS_DEFECT)
    return {
        SELF: float(against(table)[0]),
        SAFE: float(defector[0]),
        SPARED: float(defector[1]),
        GENEROUS: float(against(reciprocity.ALWAYS_COOPERATE)[0]),
        MIRROR: float(against(reciprocity.TIT_FOR_TAT)[0]),
        RESPONDED: best.agent,
        RESPONDER: best.responder,
    }


def _shown(table: np.ndarray) -> Scores:
    """P(cooperate) after each of five things, own choice first."""
    return {
        f"P(C | {seen})": float(share)
        for seen, share in zip(("start", "CC", "CD", "DC", "DD"), table[:, 0], strict=True)
    }


# Models that speak: decoders, SmolLM2.


def speakers(kind: str) -> Callable[[Arm, str, Scale], Outcome]:
    """A study of models of this kind, which learn seed by seed and are judged in play."""

    def study(arm: Arm, game: str, scale: Scale) -> Outcome:
        s = scale.settings[kind]
        found = [decoder(arm, game, seed, s) for seed in range(s["seeds"])]
        return outcome(found, {"steps": s["episodes"]})

    return study


def decoder(arm: Arm, game: str, seed: int, s: Mapping[str, Any]) -> Scores:
    """One decoder trained against itself, and what it earns from whom."""
    method = _method(arm, game, s)
    method, state = trained(method, seed, s["episodes"])
    weights = state.members[0].weights
    told = _panel(method.game, weights, seed)
    return told | _responded(game, weights, seed, s)


def _method(arm: Arm, game: str, s: Mapping[str, Any], **changes: Any):
    from interplay.methods import advantage_alignment as spoken

    settings = spoken.Settings(**{**s["model"], **arm.decoders, "game": game, "group": MATCHES, **changes})
    mix = None if arm.mix is None else arm.mix(settings)
    return spoken.build(settings, arm.deal or (lambda paid: paid), mix)


def trained(method: Any, seed: int, episodes: int, frozen: Any = None):
    """The method and its state after so many episodes; with `frozen` weights in the first seat throughout."""
    from interplay.lm.update import started
    from interplay.run import devices

    state = method.init(devices.starting_key(seed))
    held = lambda state: state if frozen is None else state._replace(members=(started(frozen), *state.members[1:]))
    for update in range(max(1, episodes // method.cost.steps)):
        state, _ = method.step(held(state), devices.update_key(seed, update))
    return method, held(state)


def _responded(game: str, weights: Any, seed: int, s: Mapping[str, Any]) -> Scores:
    """A learner of its own in the second seat, naive, against the frozen agent in the first."""
    naive = _method(Arm(), game, s, alignment=0.0, share=False)
    method, state = trained(naive, 1000 + seed, s["responding"], weights)
    method.game.load([member.weights for member in state.members])
    earned = _earned(method.game.talk(["a match"] * 2 * MATCHES, (seed, 5)), method.game.scene)
    return {RESPONDED: float(earned[0]), RESPONDER: float(earned[1])}


def _panel(game: Any, weights: Any, seed: int) -> Scores:
    """What the agent earns in both seats, with itself and against fixed rules."""
    from interplay.lm.play import Seat, play
    from interplay.lm.scripted import Scripted, always
    from interplay.lm.tasks import dilemma

    game.load([weights])
    rules = {SAFE: always(dilemma.DEFECT), GENEROUS: always(dilemma.COOPERATE), MIRROR: dilemma.tit_for_tat}
    told = {SELF: float(_earned(game.talk(["a match"] * 2 * MATCHES, (seed, 3)), game.scene).mean())}
    for name, rule in rules.items():
        rows = []
        for place, agent in enumerate(dilemma.AGENTS[::-1]):  # whose place the rule takes
            seats = {**game.seats, agent: Seat(Scripted(game.model.codec, rule), 0, False)}
            earned = _earned(play(game.scene, seats, ["a match"] * MATCHES, (seed, 4, place)), game.scene)
            rows.append(earned[:: 1 if agent == dilemma.AGENTS[1] else -1])
        own, other = np.mean(rows, axis=0)
        told |= {name: float(own)} | ({SPARED: float(other)} if name == SAFE else {})
    return told


def _earned(played: Sequence[Any], scene: Any) -> np.ndarray:
    """Mean reward of each agent per round."""
    return np.mean([[one.outcome[agent] / len(one.rounds) for agent in scene.agents] for one in played], axis=0)


# Falsifiers.


def _of_another(rows: Any) -> Any:
    """The same rows of the next game of the batch."""
    return jnp.roll(rows, 1, axis=1)


def _others_of_another(advantage: Any) -> Any:
    return _of_another(opponents.rest(advantage))


def _past_of_another(own: Any, *given: Any, **named: Any) -> Any:
    return _of_another(opponents.before(own, *given, **named))


def _mix_others_of_another(s: Any) -> Callable:
    from interplay.methods.advantage_alignment import aligning

    return lambda own, others: aligning(s)(own, np.roll(others, 1, axis=0))


def _mix_past_of_another(s: Any) -> Callable:
    past = lambda own: np.roll(opponents.before(own, s.alignment_discount), 1, axis=0)
    return lambda own, others: own + s.alignment * past(own) * others


def _together(paid: Any) -> Any:
    from interplay.methods.advantage_alignment import together

    return together(paid)


NAIVE = {"alignment": 0.0}
ARMS = {
    "aligned": Arm(),
    "naive": Arm(NAIVE, NAIVE),
    "sum of rewards": Arm({**NAIVE, "rewards": "sum"}, NAIVE, deal=_together),
}
CONTROLS = {
    "no baseline": Arm({"baseline": "none"}, {"baseline": "none"}),
    "other's of another match": Arm(tables_choices={"others": _others_of_another}, mix=_mix_others_of_another),
    "past of another match": Arm(tables_choices={"past": _past_of_another}, mix=_mix_past_of_another),
}
VARIANTS = {
    "aligned, β = 2": Arm({"alignment": 2.0}),
    "aligned, w with k ≤ t": Arm({"past": "up-to"}),
}
GAMES = {
    "tables": "interplay.games.iterated:prisoners_dilemma",
    "decoders": "dilemma(remembered=1)",
    "smollm2": "dilemma(rounds=8, remembered=1)",
}
STUDIES = {
    GAMES["tables"]: tables,
    GAMES["decoders"]: speakers("decoders"),
    GAMES["smollm2"]: speakers("smollm2"),
}


def computed(arm: Arm, about: str = "", on: tuple[str, ...] = ()) -> Computed:
    return Computed(lambda game, scale: STUDIES[game](arm, game, scale), about, on)


def _sizes(seeds: int, episodes: int, responding: int, model: Mapping[str, Any], **changes: Any) -> dict[str, Any]:
    """How many models there are, what they and best responses to them learn from, and their settings."""
    return {"seeds": seeds, "episodes": episodes, "responding": responding, "model": {**model, **changes}}


SMALL = {"width": 32, "depth": 1, "rate": 3e-3, "demonstrations": 64, "alignment": 2.0}
BRIEF = ("tables", "decoders")  # SmolLM2 takes long
ON = {"no baseline": BRIEF, "past of another match": BRIEF}
LOCAL = {"model": "smollm2", "rate": 5e-4, "alignment": 1.0, "temperature": 2.0}
CLAIM = Claim(
    slug="advantage-alignment",
    method="advantage-alignment",
    sentence="Aligned advantages teach reciprocity: who learns by them cooperates with itself and is not exploited.",
    source="Learning robust social strategies with large language models (2025), abstract and iterated prisoner's dilemma",
    paper="figures only: naive training drifts to defection, alignment to tit-for-tat-like play; 3 a round is cooperation",
    unit="the lesser of (reward a round with itself − 1) / 2 and the reward a round against always defect",
    games=GAMES,
    arms={name: computed(arm) for name, arm in ARMS.items()}
    | {name: computed(arm, on=("tables",)) for name, arm in VARIANTS.items()},
    controls={name: Control(computed(arm, on=ON.get(name, ())), against="aligned") for name, arm in CONTROLS.items()},
    scales={
        "smoke": Scale(
            2, 12_800,
            settings={
                "decoders": _sizes(1, 64, 32, SMALL, width=8, demonstrations=16),
                "smollm2": _sizes(1, 32, 32, LOCAL),
            },
        ),
        "small": Scale(
            5, 2_560_000,
            settings={"decoders": _sizes(5, 1600, 640, SMALL), "smollm2": _sizes(3, 1280, 800, LOCAL)},
        ),
        "paper": Scale(
            10, 12_800_000,
            settings={"decoders": _sizes(10, 12_800, 6400, SMALL), "smollm2": _sizes(10, 12_800, 6400, LOCAL)},
        ),
    },
    expect=(
        better("aligned", "naive"),
        better("aligned", "sum of rewards"),
        at_least("aligned", 0.75),
    ),
)  # fmt: skip
