"""The wiring of language teams: talk, give credit, learn; talk on. The one loop runs it like any other method.

GRPO, RLOO and Dr. MAS differ in the function `credit` that they hand in, and in the loss. The state is weights, optimizer
moments and counters, as named arrays; everything random comes from the update's key.
"""

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, PRNGKeyArray

from interplay.core.budget import Budget
from interplay.core.errors import InputError
from interplay.core.game import Discrete, Spec, SpokenGame
from interplay.core.method import Method
from interplay.core.team import ORDER, Team
from interplay.credit import groups
from interplay.lm.learner import Learner
from interplay.lm.model import Trainable, Weights
from interplay.lm.pipeline import Pace, Pipeline, marked
from interplay.lm.play import Seat, play
from interplay.lm.scene import Scene
from interplay.lm.scripted import Scripted
from interplay.lm.together import ALONE, Together, here
from interplay.lm.transcript import Chains, Transcript, Turns, each_call, shown, turns
from interplay.lm.update import Member, Row, imitate, learn, started
from interplay.methods import language as given
from interplay.methods.language import LanguageSettings
from interplay.objectives.tokens import PolicyLoss

Credit = Callable[[Turns], Float[np.ndarray, "turn"]]
Weigh = Callable[[Turns], Float[np.ndarray, "turn"]]
SHOWN = 2  # groups of a record
PARTS = 16  # steps per pass through demonstrations


class LanguageTeam(Team):
    """The weights of every member of a team that speaks; it acts in dialogues, not step by step."""

    members: tuple[Weights, ...]
    temperature: float = eqx.field(static=True, default=1.0)
    apart: bool = eqx.field(static=True, default=False)
    """whether every agent has a member of its own, whoever shares one in the game"""
    needs: str = eqx.field(static=True, default=ORDER)

    def begin(self):
        return ()

    def act(self, memory, time_step, key):
        raise InputError("a team of language models speaks in dialogues: play it with interplay.lm.play")

    def greedy(self) -> "LanguageTeam":
        """The same team saying its most likely words."""
        return LanguageTeam(members=self.members, temperature=0.0, apart=self.apart)


class Talking(NamedTuple):
    """The state: members, how far demonstrations were from being certain (nats a token), updates made, what is under way."""

    members: tuple[Member, ...]
    imitation: Any
    updates: Any
    flight: Any = ()


class Room(NamedTuple):
    """The model of every member, and which member speaks for each agent."""

    models: tuple[Trainable, ...]
    seats: Mapping[str, Seat]


class Dialogues(SpokenGame):
    """A scene and a model that speaks in it: what teams of language models are trained, evaluated and recorded on."""

    def __init__(self, s: LanguageSettings, credit: Credit, among: Together = ALONE):
        if s.tasks * s.group < among.size:
            raise InputError(
                f"{among.size} processes share {s.tasks} × {s.group} attempts: start fewer, or set tasks or group higher"
            )
        self.among, scene = among, given.scene_of(s)
        self.models = given.models_of(s, scene)
        self.scene, self.credit, self.limits = scene, credit, given.limits_of(s)
        self.seats = given.seated(s, scene, self.models)
        self._settings = dataclasses.replace(s, share=False)
        self.spec = Spec(
            agents=len(scene.agents),
            observation=1,
            action=Discrete(max(model.codec.size for model in self.models)),
            horizon=scene.calls,
            names=scene.agents,
        )

    @property
    def model(self) -> Trainable:
        """The model that all members are of. Raises `InputError` where they are of several."""
        if any(model is not self.models[0] for model in self.models):
            raise InputError("this method trains members of one base: name one model, or train grpo, rloo or dr-mas")
        return self.models[0]

    def tasks(self, random: np.random.Generator, count: int) -> list[Any]:
        """Fresh tasks."""
        return [self.scene.draw(random) for _ in range(count)]

    def talk(self, tasks: Sequence[Any], seed: Sequence[int], temperature: float | None = None) -> list[Transcript]:
        """One episode for each task, by the members that are loaded."""
        return self._talk(self.seats, tasks, seed, temperature)

    def practice(self, words: tuple[int, ...], s: LanguageSettings, version: int) -> "Practice":
        """This process's share of an update's episodes, by the members that are loaded, and all processes' turns."""
        task, numbers = np.repeat(np.arange(s.tasks), s.group), self.among.share(s.tasks * s.group)
        drawn = self.tasks(np.random.default_rng([*words, 0]), s.tasks)
        tasks = [drawn[task[number]] for number in numbers]
        played = play(
            self.scene, self.seats, tasks, (*words, 1), version=version, limits=self.limits, numbers=numbers.tolist()
        )
        mine = turns(played, task[numbers], self.scene.agents)
        whole = mine._replace(episode=numbers[mine.episode])
        return Practice(played, mine, Turns(*map(self.among.gathered, whole)), self.among.own(len(mine.task)))

    def played(self, team: LanguageTeam, tasks: Sequence[Any], seed: Sequence[int]) -> list[Transcript]:
        """One episode for each task by `team`, whose members stay loaded."""
        if not team.apart:
            self.load(team.members)
            return self.talk(tasks, seed, team.temperature)
        for member, weights in enumerate(team.members):
            self._roomy.models[member].load(member, weights)
        return self._talk(self._roomy.seats, tasks, seed, team.temperature)

    def mixed(self, teams: Sequence[LanguageTeam]) -> LanguageTeam:
        """The team in which agent k is spoken for by its member in `teams[k]`, at that team's temperature.

        Raises `InputError` where temperatures differ.
        """
        heat = {team.temperature for team in teams}
        if len(heat) > 1:
            raise InputError(f"teams that speak at temperatures {sorted(heat)} do not mix: pass greedy teams")
        place = range(len(teams)) if teams[0].apart else [self.seats[agent].member for agent in self.scene.agents]
        members = tuple(team.members[at] for team, at in zip(teams, place, strict=True))
        return LanguageTeam(members=members, temperature=heat.pop(), apart=True)

    @functools.cached_property
    def _roomy(self) -> "Room":
        """A model with a member for every agent: the game's own where nobody shares one."""
        if len({seat.member for seat in self.seats.values()}) == len(self.seats):
            return Room(self.models, self.seats)
        models = given.models_of(self._settings, self.scene)
        return Room(models, given.seated(self._settings, self.scene, models))

    def _talk(self, seats: Mapping[str, Seat], tasks, seed, temperature: float | None):
        if temperature is not None:
            seats = {agent: dataclasses.replace(seat, temperature=temperature) for agent, seat in seats.items()}
        return play(self.scene, seats, tasks, seed, limits=self.limits)

    def load(self, members: Sequence[Weights]) -> None:
        """Let these weights speak."""
        for seat, weights in enumerate(members):
            self.models[seat].load(seat, weights)

    def episodes(self, team: LanguageTeam, key: PRNGKeyArray, count: int) -> tuple[np.ndarray, np.ndarray]:
        words = seeds(key)
        played = self.played(team, self.tasks(np.random.default_rng([*words, 3]), count), (*words, 4))
        return np.array([returns_of(one, self.scene) for one in played]), np.array([len(one.calls) for one in played])

    def record(self, team: LanguageTeam, key: PRNGKeyArray, group: int = 4) -> dict[str, Any]:
        words = seeds(key)
        drawn = self.tasks(np.random.default_rng([*words, 5]), SHOWN)
        task = np.repeat(np.arange(SHOWN), group)
        played = self.played(team, [drawn[index] for index in task], (*words, 6))
        rows = turns(played, task, self.scene.agents)
        worth = self.credit(rows)
        told = [shown(one, worth[rows.episode == episode], int(task[episode])) for episode, one in enumerate(played)]
        return {"dialogues": told, "return": float(np.mean([returns_of(one, self.scene) for one in played]))}


class Practice(NamedTuple):
    """What an update learns from: episodes played in this process with their turns, the turns of all, and where in them
    this process's own are."""

    played: list[Transcript]
    turns: Turns
    whole: Turns
    own: slice


def once(turns: Turns) -> Float[np.ndarray, "turn"]:
    """Every turn counts once."""
    return np.ones(len(turns.task))


def dialogue(
    s: LanguageSettings, *, credit: Credit, learner: Learner, weigh: Weigh = once, chains: Chains = each_call
) -> Method:
    """Talk about `tasks` × `group`, credit every turn, update every member. The wiring of GRPO and of Dr. MAS.

    What `chains` joins is one sequence to learn from, which counts what `weigh` says of its first turn; 0: it is left out.
    Processes that torchrun started each play a share; credit is made from the turns of all. Raises `InputError` where scene and
    model do not fit, before anything is learned.
    """
    if min(s.tasks, s.group) < 1:
        raise InputError(f"an update has {s.tasks} tasks of {s.group} attempts: give 1 or more of each")
    game = Dialogues(s, credit, here())
    line = (flowing if s.staleness else at_once)(game, s)

    def init(key: PRNGKeyArray) -> Talking:
        made = (model.fresh(np.random.default_rng([*seeds(key), seat])) for seat, model in enumerate(game.models))
        members = tuple(started(weights) for weights in made)
        return Talking(members, np.zeros((), np.float32), np.zeros((), np.int32), line.empty(len(seeds(key))))

    def step(state: Talking, key: PRNGKeyArray):
        words = seeds(key)
        if int(state.updates) == 0:
            state = warmed(game, state, s, words, chains)
        game.load([member.weights for member in state.members])
        practice, flight, aged = line.next(state.flight, words, int(state.updates))
        played, rows, whole, own = practice
        worth, weight = credit(whole)[own], weigh(whole)[own]
        spoken = (said_by(played, rows, worth, seat, weight, chains) for seat in range(len(state.members)))
        lessons = [marked(mine, int(state.updates)) for mine in spoken]
        members, told = _learned(game, state.members, lessons, learner, words)
        told |= measured(practice, game) | aged | {"imitation": float(state.imitation)}
        after = Talking(members, state.imitation, np.int32(state.updates + 1), flight)
        game.among.agreed(jax.tree.leaves(after))
        return after, {name: jnp.float32(value) for name, value in told.items()}

    team = lambda state: LanguageTeam(
        members=tuple(member.weights for member in state.members), temperature=s.temperature
    )
    steps = learner.passes * learner.minibatches
    cost = Budget(steps=s.tasks * s.group, updates=steps)
    return Method(init, step, team, cost, game, compiled=False, together=True)


class Line(NamedTuple):
    """How episodes come in: what is under way at first, given the length of a seed, and what the next update learns from,
    with what is under way after it and metrics."""

    empty: Callable[[int], Any]
    next: Callable[[Any, tuple[int, ...], int], tuple[Practice, Any, dict[str, float]]]


def at_once(game: Dialogues, s: LanguageSettings) -> Line:
    """An update talks about tasks of its own, and waits for all of them."""
    return Line(lambda words: (), lambda flight, words, version: (game.practice(words, s, version), (), {}))


def flowing(game: Dialogues, s: LanguageSettings) -> Line:
    """An update learns from the first tasks that are done, others go on (`interplay.lm.pipeline`)."""
    if game.among.size > 1:
        raise InputError("staleness is for one process: leave it out, or train without torchrun")
    pipeline = Pipeline(
        game.scene, game.seats, game.limits, Pace(s.tasks, s.group, s.in_flight or s.tasks, s.staleness)
    )

    def next(flight: Any, words: tuple[int, ...], version: int):
        found = pipeline.gathered(flight, words, version)
        rows = turns(found.played, found.task, game.scene.agents)
        return Practice(found.played, rows, rows, slice(len(rows.task))), found.flight, found.told

    return Line(pipeline.empty, next)


def _learned(game: Dialogues, members, lessons: Sequence[list[Row]], learner: Learner, words):
    """Every member updated on the turns it spoke; metrics are means over members, weighed by their tokens."""
    told: list[tuple[float, dict[str, float]]] = []
    norms = dict.fromkeys(game.scene.agents, 0.0)
    after = []
    for seat, member in enumerate(members):
        mine = lessons[seat]
        random = np.random.default_rng([*words, 2, seat])
        member, metrics, sizes = learn(game.models[seat], seat, member, mine, learner, random, game.among)
        after.append(member)
        told.append((game.among.count(sum(int(row.path.own.sum()) for row in mine)), metrics))
        norms |= {game.scene.agents[agent]: size for agent, size in sizes.items()}
    names = {name for _, metrics in told for name in metrics} | set(ALWAYS)
    mass = max(sum(tokens for tokens, _ in told), 1)
    averages = {name: sum(tokens * one.get(name, 0.0) for tokens, one in told) / mass for name in sorted(names)}
    averages["gradient_norm"] = max((one.get("gradient_norm", 0.0) for _, one in told), default=0.0)
    return tuple(after), averages | {f"gradient_norm/{agent}": norms[agent] for agent in game.scene.agents}


ALWAYS = ("policy_loss", "approx_kl", "clip_fraction", "clip_fraction_turn", "sampler_gap", "entropy", "gradient_norm")


def said_by(
    played: Sequence[Transcript],
    rows: Turns,
    worth: np.ndarray,
    seat: int,
    weight: np.ndarray | None = None,
    chains: Chains = each_call,
) -> list[Row]:
    """What one member said, chain by chain (call by call), with its credit and weight; what has weight 0 is left out."""
    found, begin = [], 0
    for transcript in played:
        for chain in chains(transcript):
            call, row = transcript.calls[chain[0]], begin + chain[0]
            counts = 1.0 if weight is None else float(weight[row])
            if call.member == seat and call.trained and counts and not transcript.events.get("failed"):
                credit = {index: float(worth[begin + index]) for index in chain}
                found.append(Row(transcript.path(*chain), credit, int(rows.agent[row]), counts))
        begin += len(transcript.calls)
    return found


def warmed(
    game: Dialogues, state: Talking, s: LanguageSettings, words: tuple[int, ...], chains: Chains = each_call
) -> Talking:
    """Members that have imitated the scene's script, where there is one and demonstrations are asked for."""
    scene = game.scene
    counts = given.demonstrations_of(s, scene)
    if scene.script is None or not max(counts):
        return state
    seats = {agent: Seat(Scripted(seat.model.codec, scene.script), seat.member) for agent, seat in game.seats.items()}
    numbers = game.among.share(max(counts))
    drawn = game.tasks(np.random.default_rng([*words, 7]), max(counts))
    tasks = [drawn[number] for number in numbers]
    shown = play(scene, seats, tasks, (*words, 8), limits=game.limits, numbers=numbers.tolist())
    rows = turns(shown, numbers, scene.agents)
    teacher = Learner(
        PolicyLoss(), lambda count: s.imitation_rate or s.rate, s.max_norm, passes=s.imitation, minibatches=PARTS
    )
    members, losses = [], []
    for seat, member in enumerate(state.members):
        seen = shown[: int((numbers < counts[seat]).sum())]
        mine = said_by(seen, rows, np.zeros(len(rows.task)), seat, chains=chains)
        random = np.random.default_rng([*words, 9, seat])
        member, loss = imitate(game.models[seat], seat, member, mine, teacher, random, game.among)
        members.append(started(member.weights))
        losses += [loss] if counts[seat] else []
    return Talking(tuple(members), np.float32(np.mean(losses)), state.updates, state.flight)


def measured(practice: Practice, game: Dialogues) -> dict[str, float]:
    """What an update's episodes came to, in all processes: return, length, calls and tokens of each agent, dead groups, what
    went wrong."""
    agents, rows = game.scene.agents, practice.whole
    columns = ("return", "length", "tokens", *EVENTS, *agents)
    noted = np.array([_noted(one, game.scene) for one in practice.played], np.float64).reshape(-1, len(columns))
    table = dict(zip(columns, game.among.gathered(noted).T, strict=True))
    episodes, whole = max(len(table["failed"]), 1), table["failed"] == 0
    told = {
        "return": float(table["return"][whole].astype(np.float32).mean()) if whole.any() else float("nan"),
        "length": float(table["length"][whole].mean()) if whole.any() else float("nan"),
        "episodes": float(whole.sum()),
    }
    told |= {name: float(table[name].sum()) / episodes for name in ("tokens", *EVENTS)}
    for place, agent in enumerate(agents):
        own = rows.agent == place
        group = groups.statistics(rows.reward[own], rows.task[own]) if own.any() else None
        told[f"calls/{agent}"] = float(own.sum()) / episodes
        told[f"tokens/{agent}"] = float(table[agent].sum()) / episodes
        told[f"dead_groups/{agent}"] = float(groups.dead(group)) if group is not None else 1.0
    return told


EVENTS = ("failed", "over_budget", "illegal", "limit", "room", "tool_errors", "tool_hangs")


def _noted(one: Transcript, scene: Scene) -> list[float]:
    """An episode's return, length, tokens, events, and tokens of each agent."""
    said = [
        sum(len(call.message.tokens(call.codec)) for call in one.calls if call.agent == agent) for agent in scene.agents
    ]
    events = [one.events.get(name, 0) for name in EVENTS]
    whole = (returns_of(one, scene).mean(), len(one.calls), one.events.get("tokens", 0))
    return [float(value) for value in (*whole, *events, *said)]


def returns_of(transcript: Transcript, scene: Scene) -> Float[np.ndarray, "agent"]:
    return np.array([transcript.earned(agent) for agent in scene.agents], np.float32)


def seeds(key: PRNGKeyArray) -> tuple[int, ...]:
    """A key as whole numbers, for numpy's generators."""
    return tuple(int(word) for word in np.asarray(jax.random.key_data(key)).ravel())
