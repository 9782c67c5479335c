"""What all methods for language teams let one choose, and the parts that follow from it."""

import dataclasses
from collections.abc import Callable

from interplay.core.errors import InputError
from interplay.core.method import Method
from interplay.lm import tasks
from interplay.lm.learner import Learner
from interplay.lm.play import Limits, Seat
from interplay.lm.scene import Scene
from interplay.objectives.tokens import PolicyLoss

EXTRA = "pip install 'interplay[lm]'"
CONTEXT = 128  # tokens a tiny model reads and says together


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
    """tiny: a decoder made from nothing"""
    steps: int = 25_600
    """episodes to learn from"""
    tasks: int = 16
    """different tasks per update"""
    group: int = 8
    """attempts at each task, compared with each other"""
    share: bool = False
    """one model for all agents (True) or one each (False)"""
    width: int = 64
    """units of a tiny model"""
    depth: int = 2
    """layers of a tiny model"""
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
    seconds: float = 600.0
    """time after which an episode that awaits something is given up, in seconds"""


def taught(s: LanguageSettings, credit: Callable, loss: PolicyLoss, *, sequences: bool = False) -> Method:
    """The method whose turns are credited by `credit` and learned by `loss`, everything else as the settings say.

    Raises `InputError` where torch is missing.
    """
    try:
        from interplay.methods.dialogue import dialogue
    except ModuleNotFoundError as missing:
        raise InputError(f"language teams need the package {missing.name}: {EXTRA}") from None
    learner = Learner(
        loss, risen(s.rate, s.warmup), s.max_norm, s.weight_decay, s.entropy_weight, s.passes, s.minibatches, sequences
    )
    return dialogue(s, credit=credit, learner=learner)


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


def seated(s: LanguageSettings, scene: Scene, model) -> dict[str, Seat]:
    """All agents on members of one model."""
    return {agent: Seat(model, member, True, s.temperature) for agent, member in seats_of(s, scene).items()}


def limits_of(s: LanguageSettings) -> Limits:
    """What an episode may spend."""
    return Limits(seconds=s.seconds)


def model_of(s: LanguageSettings, scene: Scene):
    """The model that is asked for. Raises `InputError` for one that is not known, or a tiny one without words."""
    if s.model not in MODELS:
        raise InputError(f"there is no model '{s.model}': use {', '.join(MODELS)}")
    return MODELS[s.model](s, scene)


def _tiny(s: LanguageSettings, scene: Scene):
    from interplay.lm.tiny import Size, Tiny
    from interplay.lm.words import Words

    if not scene.vocabulary:
        raise InputError(f"{scene.name} has no vocabulary: a tiny model knows only words it is given")
    members = max(seats_of(s, scene).values()) + 1
    return Tiny(Words(scene.vocabulary, scene.agents), members, Size(s.width, s.depth, context=CONTEXT))


MODELS = {"tiny": _tiny}
