"""Who speaks for each agent of a team that talks without learning: one model for all, or one for each agent or group.

    planner=endpoint:http://localhost:8000/v1(name='Qwen/Qwen3-4B'); searcher=smollm2; checker=run:runs/dr-mas-ledger-0001

Parts are separated and named as in training (`interplay.lm.separate`). Two known uses are a large planner behind a server with
small helpers of this machine, and a trained agent among others that are not.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from interplay.core.errors import InputError
from interplay.core.names import nearest
from interplay.lm import separate
from interplay.lm.endpoint import Endpoint
from interplay.lm.model import Model
from interplay.lm.play import Seat
from interplay.lm.scene import Scene
from interplay.lm.scripted import Scripted
from interplay.lm.separate import Base
from interplay.lm.words import Wordless
from interplay.methods import language
from interplay.methods.language import LanguageSettings

Changed = Mapping[str, Any]


@dataclasses.dataclass(frozen=True)
class Asked:
    """What is to be talked about, by whom, how often."""

    settings: LanguageSettings
    """game, team, task, temperature, and model: tiny, smollm2, local:FOLDER, scripted, endpoint:URL, run:FOLDER, or
    AGENT=MODEL; AGENT+AGENT=MODEL(…)"""
    name: str = ""
    """the model's name at an endpoint, where none is in brackets"""
    episodes: int = 16
    """how many"""
    attempts: int = 1
    """episodes about the same task"""
    seed: int = 0
    """of tasks and of all that is drawn; an endpoint gets it too, and may heed it"""
    limit: int = 0
    """longest message in the model's own tokens; 0: as the game says"""
    patience: float = 60.0
    """seconds that one answer of an endpoint may take"""


def seats(asked: Asked, scene: Scene) -> dict[str, Seat]:
    """Who speaks for each agent, ready to. Raises `InputError` where a model is not there, or an agent has none or two."""
    text = asked.settings.model
    if not separate.written(text):
        model, changed = (text, {}) if text.startswith("local:") else language.bracketed(text)
        return _spoken(asked, scene, Base(model, scene.agents), changed)
    found: dict[str, Seat] = {}
    for base, changed in language.bases_of(asked.settings, scene):
        found |= _spoken(asked, scene, base, changed)
    return {agent: found[agent] for agent in scene.agents}


def _spoken(asked: Asked, scene: Scene, base: Base, changed: Changed) -> dict[str, Seat]:
    """The seats of the agents of one base."""
    kind = base.model.partition(":")[0]
    if kind not in SPEAKERS:
        known = ", ".join((*language.MODELS, "scripted"))
        raise InputError(f"there is no model '{base.model}': use {known} (local:FOLDER), endpoint:URL or run:FOLDER")
    speaker, allowed = SPEAKERS[kind]
    language.allow(base.model, changed, allowed)
    return speaker(asked, scene, base, changed)


def _endpoint(asked: Asked, scene: Scene, base: Base, changed: Changed) -> dict[str, Seat]:
    url, name = base.model.partition(":")[2], str(changed.get("name", asked.name))
    if not name:
        raise InputError(
            f"an endpoint serves models by name: give --name, such as one that {url or 'URL'}/models shows"
            f"{'' if base.agents == scene.agents else ', or endpoint:URL(name=…) to this one alone'}"
        )
    model = Endpoint(url, name, seconds=asked.patience, roles=scene.instructions)
    trouble = model.trouble()
    if trouble:
        raise InputError(f"{trouble}; check the address, --name, and the key in {model.key}")
    return _seated(asked, base, model, dict.fromkeys(base.agents, 0))


def _scripted(asked: Asked, scene: Scene, base: Base, changed: Changed) -> dict[str, Seat]:
    if scene.script is None:
        raise InputError(f"{scene.name} has no script: set `tasks.script`, or choose another --model")
    codec = scene.codec(scene.vocabulary, scene.agents) if scene.vocabulary else Wordless()
    return _seated(asked, base, Scripted(codec, scene.script), dict.fromkeys(base.agents, 0))


def _weights(asked: Asked, scene: Scene, base: Base, changed: Changed) -> dict[str, Seat]:
    """A model of this machine as it is before training; a tiny one knows nothing yet. Members start as in any other team."""
    place = {
        agent: number for agent, number in language.seats_of(asked.settings, scene).items() if agent in base.agents
    }
    own = {number: member for member, number in enumerate(sorted(set(place.values())))}
    try:
        model = language.model_of(dataclasses.replace(asked.settings, model=base.model, **changed), scene, len(own))
    except ModuleNotFoundError as missing:
        raise InputError(f"this model needs the package {missing.name}: {language.EXTRA}") from None
    for number, member in own.items():
        model.load(member, model.fresh(np.random.default_rng([asked.seed, number])))
    return _seated(asked, base, model, {agent: own[number] for agent, number in place.items()})


def _trained(asked: Asked, scene: Scene, base: Base, changed: Changed) -> dict[str, Seat]:
    """The agents of these names in a run's team, as its newest checkpoint has them."""
    from interplay.run import saved

    path = base.model.partition(":")[2]
    run = saved.load(path)
    if not run.spoken:
        raise InputError(f"{path} was not trained to speak: name a run of a language team")
    game: Any = run.game
    for agent in base.agents:
        if agent not in game.seats:
            raise InputError(f"{path} has no agent '{agent}': {nearest(agent, game.seats)}")
    game.load(run.team(changed.get("seed")).members)  # type: ignore[attr-defined]
    seats = {agent: game.seats[agent] for agent in base.agents}
    return {agent: Seat(seat.model, seat.member, False, asked.settings.temperature) for agent, seat in seats.items()}


def _seated(asked: Asked, base: Base, model: Model, members: Mapping[str, int]) -> dict[str, Seat]:
    return {agent: Seat(model, members[agent], False, asked.settings.temperature) for agent in base.agents}


Speaker = Callable[[Asked, Scene, Base, Changed], dict[str, Seat]]
SPEAKERS: dict[str, tuple[Speaker, tuple[str, ...]]] = {
    **dict.fromkeys(language.MODELS, (_weights, language.OWN)),
    "scripted": (_scripted, ()),
    "endpoint": (_endpoint, ("name",)),
    "run": (_trained, ("seed",)),
}
