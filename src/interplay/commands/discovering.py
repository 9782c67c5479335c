"""Solvers that are searched for: discover."""

from pathlib import Path
from typing import Annotated, Any

import tyro

from interplay.commands.words import DONE, INTERRUPTED, Outcome, asking, command, complain


@command
def discover(
    kind: Annotated[str, tyro.conf.Positional],
    /,
    *,
    games: tuple[str, ...] = (),
    held_out: tuple[str, ...] = (),
    budget: str = "1000 evaluations",
    seed: int = 0,
    start: str = "",
    horizons: tuple[int, ...] = (),
    workers: int = 2,
    on: str = "",
    endpoint: str = "",
    model: str = "",
    out: Path | None = None,
    json: bool = False,
) -> Outcome:
    """Search for a better rule of regret minimization (cfr) or meta-solver (psro) and report it on games it has not seen.

    The same command goes on where a search was stopped. Without an endpoint a typed mutator proposes, and runs repeat exactly.

    Args:
        kind: cfr or psro
        games: tree games to train on
        held_out: tree games to report on
        budget: what may be spent, such as '2000', '20min', '500000 tokens' or several with commas
        seed: of everything random
        start: the rule to start from (cfr-plus), or the meta-solver (uniform)
        horizons: iterations (cfr) or epochs (psro) after which candidates are scored
        workers: processes that score
        on: ray, to score on the cluster at RAY_ADDRESS
        endpoint: base address of an OpenAI-compatible model that proposes; its key is read from INTERPLAY_API_KEY
        model: the model's name there; without an endpoint smollm2 or local:FOLDER, a model that runs here
        out: the folder of the search (runs/discover-KIND-SEED)
        json: print one JSON object
    """
    from interplay.core.names import chosen
    from interplay.report import search as pages
    from interplay.run import devices, discovering, progress, spread
    from interplay.text.trial import allowance

    what = chosen(discovering.KINDS, "the kind of solver", kind)
    place, allowed, settings = spread.place(on), allowance(budget), _settings(what, games, held_out, start, horizons)
    path = Path("runs") / f"discover-{kind}-{seed}" if out is None else out
    propose, proposer = _proposer(what, endpoint, model, seed)
    devices.prepare(1)
    try:
        with progress.meter(f"discover {kind}") as watch:
            found = discovering.run(
                what,
                settings,
                allowed,
                path,
                seed=seed,
                propose=propose,
                proposer=proposer,
                workers=workers,
                place=place,
                watch=watch,
            )
    except KeyboardInterrupt:
        return complain(f"stopped; the same command goes on from {path}", INTERRUPTED), None
    found["report"] = str(pages.write(path))
    if json:
        return 0, found
    _say(found)
    return DONE


def _settings(what: Any, games, held_out, start: str, horizons) -> Any:
    given = {"games": tuple(games), "held_out": tuple(held_out), "start": start, "horizons": tuple(horizons)}
    settings = what.settings(**{name: value for name, value in given.items() if value})
    what.space.started(settings.start)  # a start that does not exist is said before anything is made
    from interplay.games import tree as trees

    for game in (*settings.games, *settings.held_out):
        trees.sequential(game)
    return settings


def _proposer(what: Any, endpoint: str, model: str, seed: int) -> tuple[Any, str]:
    ask = asking(endpoint, model, seed)
    if ask is None:
        return None, "typed mutator"
    from interplay.methods import writing

    space = what.space
    read = lambda text: space.genome(space.read(text))
    return writing.proposer(ask, space.about(), read), model


def _say(found: dict[str, Any]) -> None:
    settings = found["settings"]
    print(f"{found['evaluations']:,} candidates, {found['valid']:,} valid, {found['per_minute']:.0f} a minute")
    for why, count in found["lost"].items():
        print(f"lost {count}: {why}")
    print(
        f"on {', '.join(settings['games'])}: {found['start']['decades']:.3f} decades → {found['best']['decades']:.3f}"
    )
    for game, rows in found["held_out"].items():
        for name, row in rows.items():
            words = ", ".join(f"{'broke' if value is None else f'{value:.3g}'} after {at}" for at, value in row.items())
            print(f"{game}, {name}: exploitability {words}")
    if found["held_out_gain"] is not None:
        print(f"on games it was not searched on: {found['held_out_gain']:.3f} decades below {found['start']['name']}")
    print(f"\n{found['rule']}\n{found['usage']}\nreport in {found['report']}")
