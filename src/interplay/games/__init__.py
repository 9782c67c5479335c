"""Games by name: our own, everyone else's through adapters, and the user's.

`make("spread")`, `make("spread(agents=5)")`, `make("jaxmarl:smax/2s3z")`, `make("my_module:MyGame")`.
"""

import ast
import difflib
import functools
import importlib
from typing import Any

from interplay.core.errors import InputError
from interplay.core.paths import look_here

OWN = {  # name -> (maker, what it is)
    "spread": ("particle:spread", "particles cover landmarks without colliding"),
    "reference": ("particle:reference", "each particle knows only the other's goal and must say it"),
    "speaker-listener": ("particle:speaker_listener", "one says where the other has to go"),
    "tag": ("particle:tag", "slow chasers against a fast runner"),
    "foraging": ("foraging:foraging", "level-based foraging: food needs the summed level of those around it"),
    "climbing": ("matrix:climbing", "the climbing game: the best joint action is hidden by penalties"),
    "coordination": ("coordination:coordination", "n bits to set alike; an attractive wrong answer"),
    "aloha": ("aloha:aloha", "transmitters on a grid that disturb their neighbors"),
    "sum-guessing": ("guessing:sum_guessing", "guess the sum of numbers of which each agent sees one"),
    "assignment": ("assignment:assignment", "distinct targets with random worth; optimum by the Hungarian method"),
    "gathering": ("gathering:gathering", "apples grow back, and beams put rivals out for a while"),
    "cleanup": ("cleanup:cleanup", "apples grow only while somebody cleans the river, at a cost"),
    "harvest": ("harvest:harvest", "apples grow back the faster the more are left"),
    "gems": ("gems:gems", "gems of one's own, and gems that pay two at once"),
    "gems-mini": ("gems:gems_mini", "gems in known places; all states can be listed"),
    "intersection": ("intersection:intersection", "cars on crossing lanes, each with its own hurry"),
    "lattice": ("lattice:lattice", "the prisoner's dilemma with every neighbor, on a torus or a random graph"),
    "kuhn": ("kuhn:kuhn", "Kuhn poker: one card each, one bet; a tree game"),
    "leduc": ("leduc:leduc", "Leduc poker: two rounds and a shared card; a tree game"),
    "liars-dice": ("liars_dice:liars_dice", "bids on hidden dice that only rise; a tree game"),
    "goofspiel": ("goofspiel:goofspiel", "sealed bids for prizes, every card once; a tree game"),
    "blotto": ("blotto:blotto", "soldiers over battlefields, chosen at once; a tree game"),
    "battleship": ("battleship:battleship", "ships hidden on a small sea, shots in turn; a tree game"),
    "phantom-tic-tac-toe": ("phantom:phantom_tic_tac_toe", "tic-tac-toe without seeing the other's marks; a tree game"),
    "dark-hex": ("phantom:dark_hex", "hex without seeing the other's stones; a tree game"),
    "cartpole": ("cartpole:cartpole", "hold a pole upright by pushing its cart"),
    "lqr": ("lqr:lqr", "the linear-quadratic regulator; optimum by Riccati"),
    "random-mdp": ("random_mdp:random_mdp", "a random Markov game with exact values"),
    "iterated-prisoners-dilemma": (
        "iterated:prisoners_dilemma",
        "cooperate or defect, ten times; the last choices are seen",
    ),
    "iterated-stag-hunt": ("iterated:stag_hunt", "a stag together or a hare alone, ten times"),
    "iterated-chicken": ("iterated:chicken", "swerve or drive on, ten times"),
    "spread-objectives": (
        "particle_objectives:spread_objectives",
        "particles that cover, keep apart and save energy: three objectives",
    ),
    "treasures": ("treasures:treasures", "gold for one, chests for two, too little time: two objectives"),
    "weighed": ("weighed:weighed", "a game of several objectives paid by one preference"),
    "limited": ("limited:limited", "another game of which agents see only the first so many numbers"),
}
ADAPTERS = {  # prefix -> (module, the extra that installs it, an example, what it gives)
    "jaxmarl": ("jaxmarl", "jaxmarl", "smax/2s3z", "particles, micro-battles, Overcooked and more, compiled"),
    "jumanji": ("jumanji", "jumanji", "LevelBasedForaging-v0", "foraging, warehouse, connector, cleaner, compiled"),
    "pettingzoo": ("pettingzoo", "pettingzoo", "sisl/multiwalker_v9", "any PettingZoo game, parallel or turn by turn"),
    "momaland": (
        "momaland",
        "momaland",
        "moitem_gathering_v0",
        "games of several objectives, parallel or turn by turn",
    ),
    "gymnasium": ("gymnasium", "gymnasium", "CartPole-v1", "any Gymnasium game, one agent"),
    "openspiel": (
        "openspiel",
        "openspiel",
        "leduc_poker",
        "any turn-based game of OpenSpiel with a tree that fits, compiled",
    ),
    "mamujoco": ("mamujoco", "mujoco", "HalfCheetah/2x3", "robots whose joints belong to several agents"),
}


def parse(name: str) -> tuple[str, dict[str, Any]]:
    """Split `"spread(agents=5)"` into `("spread", {"agents": 5})`; values are Python literals.

    Raises `InputError` for anything that is not NAME or NAME(key=value, …).
    """
    head, bracket, tail = name.strip().partition("(")
    if not bracket:
        return head, {}
    try:
        call = ast.parse(f"make({tail}", mode="eval").body
        if not isinstance(call, ast.Call) or call.args:
            raise ValueError
        return head.strip(), {str(pair.arg): ast.literal_eval(pair.value) for pair in call.keywords}
    except (SyntaxError, ValueError):
        raise InputError(f"cannot read the game '{name}': write NAME or NAME(key=value, …)") from None


def make(name: str, **parameters: Any):
    """The game called `name`, with `parameters` on top of those written in the name.

    Returns a `Game` or a `HostGame`. Raises `InputError` with the nearest names where there is no such game, and with
    the command that installs it where an adapter's package is missing.

        >>> make("spread(agents=5)").spec.agents
        5
    """
    if name.startswith("openspiel:"):  # spells its parameters in its own way
        return _staged(importlib.import_module("interplay.games.tree").sequential(name, **parameters))
    head, written = parse(name)
    arguments = {**written, **parameters}
    prefix, colon, rest = head.partition(":")
    if not colon:
        return _staged(_call(_own(head), arguments, name))
    if prefix not in ADAPTERS:
        return _remembering(_staged(_call(users(prefix, rest, name), arguments, name)), name, parameters)
    module, extra, *_ = ADAPTERS[prefix]
    try:
        adapter = importlib.import_module(f"interplay.games.adapters.{module}")
        return _remembering(adapter.make(rest, **arguments), name, parameters)
    except ModuleNotFoundError as missing:
        if (missing.name or "").startswith("interplay"):
            raise
        raise InputError(f"'{name}' needs the package {missing.name}: pip install 'interplay[{extra}]'") from None


def _staged(game: Any) -> Any:
    """A game told move by move as one that is played step by step; any other as it is."""
    from interplay.games.sequential import Sequential

    if not isinstance(game, Sequential):
        return game
    from interplay.games import staged

    return staged.staged(game)


def catalog() -> dict[str, str]:
    """Our own games by name with what they are, then how each adapter's games are named."""
    examples = {f"{prefix}:{example}": text for prefix, (_, _, example, text) in ADAPTERS.items()}
    return {**{name: text for name, (_, text) in OWN.items()}, **examples, "MODULE:CLASS": "a game of your own"}


def _own(head: str):
    if head not in OWN:
        near = difflib.get_close_matches(head, [*OWN, *(f"{prefix}:" for prefix in ADAPTERS)], n=3)
        hint = f"did you mean {' or '.join(near)}?" if near else "`interplay list games` shows all"
        raise InputError(f"no game is called '{head}': {hint}")
    module, function = OWN[head][0].split(":")
    return getattr(importlib.import_module(f"interplay.games.{module}"), function)


def users(module: str, attribute: str, name: str):
    """The maker of a game of the user's own, `MODULE:CLASS`; raises `InputError` where there is none."""
    look_here()
    try:
        return getattr(importlib.import_module(module), attribute)
    except ModuleNotFoundError as missing:
        if missing.name != module.split(".")[0] and missing.name != module:
            raise InputError(f"'{name}' imports {missing.name}, which is not installed") from None
        near = difflib.get_close_matches(module, ADAPTERS, n=1)
        hint = f"did you mean {near[0]}:{attribute}?" if near else "give MODULE:CLASS of a file in this folder"
        raise InputError(f"no adapter and no module is called '{module}': {hint}") from None
    except AttributeError:
        raise InputError(f"module '{module}' has nothing called '{attribute}'") from None


def _call(maker, arguments: dict[str, Any], name: str):
    try:
        return maker(**arguments)
    except TypeError as wrong:
        raise InputError(f"cannot make '{name}': {wrong}") from None


def _remembering(game, name: str, parameters: dict[str, Any]):
    """A host game that can make others like itself: one is played per environment."""
    if hasattr(game, "again"):
        game.again = functools.partial(make, name, **parameters)
    return game
