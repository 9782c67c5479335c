"""Policies that are written: synthesize."""

from pathlib import Path
from typing import Annotated, Any

import tyro

from interplay.commands import words
from interplay.commands.words import DONE, INTERRUPTED, Outcome, command, complain


@command
def synthesize(
    game: Annotated[str, tyro.conf.Positional] = "cleanup",
    /,
    *,
    feedback: str = "dense",
    budget: str = "60 evaluations",
    seed: int = 0,
    set: tuple[str, ...] = (),
    workers: int = 2,
    on: str = "",
    endpoint: str = "",
    model: str = "",
    out: Path | None = None,
    json: bool = False,
) -> Outcome:
    """Write a readable policy for a social dilemma (gathering, cleanup, harvest), again and again from feedback.

    The same command goes on where a search was stopped. Without an endpoint a bandit over typed changes proposes, and runs
    repeat exactly.

    Args:
        game: gathering, cleanup or harvest, with settings in brackets if you like
        feedback: sparse (reward only), dense (social metrics too) or shuffled (a control)
        budget: what may be spent, such as '60', '10min', '500000 tokens' or several with commas
        seed: of everything random
        set: FIELD=VALUE settings of the search, such as keep=latest or practice=0
        workers: of a cluster, that policies play at
        on: ray, to play on the cluster at RAY_ADDRESS
        endpoint: base address of an OpenAI-compatible model that proposes; its key is read from INTERPLAY_API_KEY
        model: the model's name there; without an endpoint smollm2 or local:FOLDER, a model that runs here
        out: the folder of the search (runs/synthesize-GAME-FEEDBACK-SEED)
        json: print one JSON object
    """
    from interplay.report import search as pages
    from interplay.report import searched
    from interplay.run import devices, progress, spread, synthesizing
    from interplay.text.trial import allowance

    allowed, settings = allowance(budget), _settings(game, feedback, set)
    path = Path("runs") / f"synthesize-{game.split('(')[0]}-{feedback}-{seed}" if out is None else out
    propose, proposer = _proposer(endpoint, model, seed)
    scored = synthesizing.away(spread.place(on), workers) if on else synthesizing.here
    devices.prepare(1)
    try:
        with progress.meter(f"synthesize {game}") as watch:
            hands = {"propose": propose, "proposer": proposer, "scored": scored}
            found = synthesizing.run(settings, allowed, path, seed=seed, **hands, watch=watch)
    except KeyboardInterrupt:
        return complain(f"stopped; the same command goes on from {path}", INTERRUPTED), None
    found["page"] = str(pages.write(path, searched.policies))
    if json:
        return 0, found
    _say(found)
    return DONE


def _settings(game: str, feedback: str, pairs: tuple[str, ...]) -> Any:
    from interplay import games
    from interplay.methods.policy_synthesis import Settings
    from interplay.text import policy_play

    values = words.fitting(Settings(), "policy synthesis", pairs)
    policy_play.decider(games.make(game))  # a game that does not fit is said before anything is made
    return Settings(game=game, feedback=feedback, **values)


def _proposer(endpoint: str, model: str, seed: int) -> tuple[Any, str]:
    ask = words.asking(endpoint, model, seed)
    if ask is None:
        return None, "bandit over typed changes"
    from interplay.methods import policy_synthesis, writing

    return writing.proposer(ask, policy_synthesis.ABOUT, policy_synthesis.read), model


def _say(found: dict[str, Any]) -> None:
    columns = ("policy", "reward", "efficiency", "equality", "sustainability", "peace")
    rows = [(name, *(f"{each[column]:.2f}" for column in columns[1:])) for name, each in found["report"].items()]
    words.table(f"fresh episodes of {found['settings']['report_length']:,} steps", columns, rows)
    for why, count in found["lost"].items():
        print(f"lost {count}: {why}")
    print(f"{found['evaluations']:,} policies tried; the best is in {found['file']}:\n\n{found['policy']}")
    print(f"page in {found['page']}")
