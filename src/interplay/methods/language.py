"""What all methods for language teams let one choose, and the parts that follow from it."""

import dataclasses
import importlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from types import ModuleType
from typing import Any

from interplay import games
from interplay.core.errors import InputError
from interplay.core.method import Method
from interplay.core.names import nearest
from interplay.lm import separate, tasks
from interplay.lm.learner import Learner
from interplay.lm.play import Limits, Seat
from interplay.lm.scene import Scene
from interplay.objectives.tokens import PolicyLoss, no_ratio, truncated, uncorrected

EXTRA = "pip install 'interplay[lm]'"
CAP = 2.0  # most that a word of older weights counts for having become likelier
CONTEXT = 128  # tokens a tiny model reads and says together
OWN = ("width", "depth", "rank", "alpha", "adapted", "precision")  # what bases of one team may differ in


@dataclasses.dataclass(frozen=True)
class LanguageSettings:
    """Settings of language teams; methods add their own."""

    game: str = "ledger"
    """task to speak about, as in `interplay list games`, or MODULE:NAME of a scene of your own"""
    team: str = ""
    """MODULE:NAME of a workflow of your own; empty: the game's"""
    task: str = ""
    """MODULE:NAME of tasks of your own; empty: the game's"""
    model: str = "tiny"
    """tiny: made from nothing; smollm2; local:FOLDER: any causal language model there; or AGENT=MODEL; AGENT=MODEL(width=32)"""
    steps: int = 25_600
    """episodes to learn from"""
    tasks: int = 16
    """different tasks per update"""
    group: int = 8
    """attempts at each task, compared with each other"""
    staleness: int = 0
    """updates that words learned from may be behind; 0: an update waits for all its tasks, else for the first `tasks` done"""
    in_flight: int = 0
    """tasks talked about at once where words may be stale; 0: as many as `tasks`"""
    share: bool = False
    """one model for all agents (True) or one each (False)"""
    width: int = 64
    """units of a tiny model"""
    depth: int = 2
    """layers of a tiny model"""
    rank: int = 8
    """rank of a local model's adapters"""
    alpha: float = 16.0
    """what adapters add is multiplied by alpha / rank"""
    adapted: str = "q_proj,k_proj,v_proj,o_proj"
    """linear layers of a local model that get adapters, by the ends of their names"""
    precision: str = "auto"
    """a local model's numbers: float32, bfloat16, or auto: bfloat16 where the machine multiplies in it"""
    rate: float = 2e-3
    """Adam's learning rate"""
    warmup: int = 10
    """steps over which a member's rate rises to that"""
    max_norm: float = 1.0
    """each member's gradient is clipped to this norm"""
    weight_decay: float = 0.0
    """AdamW's weight decay per step, times the rate"""
    passes: int = 1
    """times that an update goes through its turns"""
    minibatches: int = 1
    """optimizer steps per pass"""
    entropy_weight: float = 0.0
    """weight of the entropy bonus per token"""
    temperature: float = 1.0
    """temperature that messages are drawn at, and judged at"""
    demonstrations: int = 1024
    """episodes by the game's script that a tiny model imitates first; 0: it starts from nothing"""
    imitation: int = 6
    """times that it goes through them"""
    imitation_rate: float = 0.0
    """Adam's learning rate meanwhile; 0: `rate`"""
    examples: int = 0
    """episodes by the game's script that a local model imitates first, as often"""
    seconds: float = 600.0
    """time after which an episode that awaits something is given up, in seconds"""


def taught(s: LanguageSettings, credit: Callable, loss: PolicyLoss, *, sequences: bool = False, **how: Any) -> Method:
    """The method whose turns are credited by `credit` and learned by `loss`, everything else as the settings say.

    `how` goes on to the wiring, `interplay.methods.dialogue.dialogue`: what turns count, and which of them are one sequence.
    Raises `InputError` where torch is missing.
    """
    loss = corrected(loss) if s.staleness else loss
    learner = Learner(
        loss, risen(s.rate, s.warmup), s.max_norm, s.weight_decay, s.entropy_weight, s.passes, s.minibatches, sequences
    )
    return wiring("dialogue").dialogue(s, credit=credit, learner=learner, **how)


def corrected(loss: PolicyLoss) -> PolicyLoss:
    """The loss for words of older weights: where it has no ratio, tokens count min(π / π_sampler, 2) instead of 1."""
    plain = loss.ratio is no_ratio and loss.correction is uncorrected
    return dataclasses.replace(loss, correction=truncated(CAP)) if plain else loss


def wiring(name: str) -> ModuleType:
    """A module that needs torch. Raises `InputError` where that is missing."""
    try:
        return importlib.import_module(f"interplay.methods.{name}")
    except ModuleNotFoundError as missing:
        raise InputError(f"language teams need the package {missing.name}: {EXTRA}") from None


def risen(rate: float, steps: int) -> Callable[[int], float]:
    """min(1, (count + 1) / steps) · rate: Adam's first steps are as large as any, on moments of a single gradient.

    >>> [risen(1.0, 4)(count) for count in (0, 3, 9)]
    [0.25, 1.0, 1.0]
    """
    return lambda count: rate * min(1.0, (count + 1) / max(steps, 1))


def scene_of(s: LanguageSettings) -> Scene:
    """The scene that is asked for."""
    return tasks.make(s.game, s.team, s.task)


def seats_of(s: LanguageSettings, scene: Scene) -> dict[str, int]:
    """The member that speaks for each agent."""
    return {agent: 0 if s.share else place for place, agent in enumerate(scene.agents)}


def seated(s: LanguageSettings, scene: Scene, models) -> dict[str, Seat]:
    """All agents on their members; `models` has the model of every member."""
    return {agent: Seat(models[member], member, True, s.temperature) for agent, member in seats_of(s, scene).items()}


def limits_of(s: LanguageSettings) -> Limits:
    """What an episode may spend."""
    return Limits(seconds=s.seconds)


def models_of(s: LanguageSettings, scene: Scene) -> tuple[Any, ...]:
    """The model of every member: one for all, or where models are named agent by agent, that of each.

    Raises `InputError` as `model_of` does, and where a setting in brackets is none of a model's.
    """
    members = max(seats_of(s, scene).values()) + 1
    if not separate.written(s.model):
        return (model_of(s, scene),) * members
    found: dict[int, Any] = {}
    for base, changed in bases_of(s, scene):
        allow(base.model, changed, OWN)
        own = model_of(dataclasses.replace(s, model=base.model, **changed), scene, len(base.agents))
        found |= separate.placed(own, base, scene.agents)
    return tuple(found[member] for member in range(members))


def bases_of(s: LanguageSettings, scene: Scene) -> Iterator[tuple[separate.Base, dict[str, Any]]]:
    """The models named agent by agent, and the settings in brackets behind each."""
    if s.share:
        raise InputError("agents with models of their own share none: leave share=True out")
    for base in separate.bases(s.model, scene.agents):
        model, changed = bracketed(base.model)
        yield separate.Base(model, base.agents), changed


def allow(model: str, changed: Iterable[str], allowed: Sequence[str]) -> None:
    """Raise `InputError` for a setting in brackets that this model has not."""
    for name in changed:
        if name not in allowed:
            has = f"has no setting '{name}': {nearest(name, allowed)}" if allowed else "has no settings"
            raise InputError(f"{model}: this model {has}")


def bracketed(model: str) -> tuple[str, dict[str, Any]]:
    """A model and the settings in brackets behind it. Raises `InputError` for brackets that hold anything else.

    >>> bracketed("tiny(width=32)")
    ('tiny', {'width': 32})
    """
    try:
        return games.parse(model)
    except InputError:
        raise InputError(f"cannot read the model '{model}': write MODEL or MODEL(key=value, …)") from None


def model_of(s: LanguageSettings, scene: Scene, members: int | None = None):
    """The model that is asked for. Raises `InputError` for one that is not known, or a tiny one without words."""
    kind, _, place = s.model.partition(":")
    if kind in ("endpoint", "scripted"):
        raise InputError(
            f"'{s.model}' gives no weights to train: try the team on it with `interplay talk {s.game} --model {s.model}`, "
            f"or train {', '.join(MODELS)} (local:FOLDER)"
        )
    if kind not in MODELS or bool(place) != (kind == "local"):
        raise InputError(f"there is no model '{s.model}': use {', '.join(MODELS)} (local:FOLDER)")
    return MODELS[kind](s, scene, members or max(seats_of(s, scene).values()) + 1)


def demonstrations_of(s: LanguageSettings, scene: Scene) -> tuple[int, ...]:
    """Episodes that each member imitates first: models that start from nothing need them, others only if asked to."""
    count = lambda model: s.demonstrations if games.parse(model)[0] == "tiny" else s.examples
    if not separate.written(s.model):
        return (count(s.model),) * (max(seats_of(s, scene).values()) + 1)
    own = {agent: count(base.model) for base in separate.bases(s.model, scene.agents) for agent in base.agents}
    return tuple(own[agent] for agent in scene.agents)


def _tiny(s: LanguageSettings, scene: Scene, members: int):
    from interplay.lm.tiny import Tiny

    if not scene.vocabulary:
        raise InputError(f"{scene.name} has no vocabulary: a tiny model knows only words it is given")
    return Tiny(scene.codec(scene.vocabulary, scene.agents), members, size_of(s, scene))


def size_of(s: LanguageSettings, scene: Scene):
    """How large a tiny model is, whose context has room for the scene's."""
    from interplay.lm.tiny import Size

    return Size(s.width, s.depth, context=max(CONTEXT, scene.context))


def _smollm2(s: LanguageSettings, scene: Scene, members: int):
    from interplay.lm import smollm

    return _adapted(s, scene, members, smollm.folder())


def _local(s: LanguageSettings, scene: Scene, members: int):
    return _adapted(s, scene, members, s.model.partition(":")[2])


def _adapted(s: LanguageSettings, scene: Scene, members: int, folder):
    from interplay.core.names import chosen
    from interplay.lm.local import PRECISIONS, Local, loaded

    base, tokenizer = loaded(folder, chosen(PRECISIONS, "precision", s.precision)())
    layers = [name.strip() for name in s.adapted.split(",")]
    roles = scene.instructions
    return Local(base, tokenizer, members, roles=roles, rank=s.rank, alpha=s.alpha, layers=layers)


MODELS = {"tiny": _tiny, "smollm2": _smollm2, "local": _local}
