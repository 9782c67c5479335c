"""Systems code that is evolved: evolve."""

import re
from pathlib import Path
from typing import Annotated, Any

import tyro

from interplay.commands import words
from interplay.commands.words import DONE, INTERRUPTED, Outcome, command, complain
from interplay.core.errors import InputError


@command
def evolve(
    task: Annotated[str, tyro.conf.Positional] = "cache",
    /,
    *,
    method: str = "context-evolve",
    start: Path | None = None,
    budget: str = "200 evaluations",
    seed: int = 0,
    set: tuple[str, ...] = (),
    workers: int = 2,
    on: str = "",
    endpoint: str = "",
    model: str = "",
    out: Path | None = None,
    json: bool = False,
) -> Outcome:
    """Evolve a program for a systems task (cache, experts, jobs, transactions) and try it on instances it has not seen.

    Programs run in the sandbox. The same command goes on where a search was stopped. Without an endpoint a typed mutator
    proposes, roles need no model, and runs repeat exactly.

    Args:
        task: cache, experts, jobs or transactions; "cache(traces='bundled')" has recorded traces, 'both' all
        method: context-evolve (summaries, an aim, chosen examples) or plain (best-of evolution)
        start: a file with a program to start from (the task's own, a weak one)
        budget: what may be spent, such as '200', '10min', '500000 tokens' or several with commas
        seed: of everything random
        set: FIELD=VALUE settings of the search, such as batch=1 or strength=2.0
        workers: sandboxes that run side by side
        on: ray, to score on the cluster at RAY_ADDRESS
        endpoint: base address of an OpenAI-compatible model that proposes and plays the roles; its key is read from
            INTERPLAY_API_KEY
        model: the model's name there; without an endpoint smollm2 or local:FOLDER, a model that runs here
        out: the folder of the search (runs/evolve-TASK-METHOD-SEED)
        json: print one JSON object
    """
    from interplay.core.names import chosen
    from interplay.report import search as pages
    from interplay.report import searched
    from interplay.run import evolving, progress, spread
    from interplay.text.trial import allowance

    chosen(evolving.METHODS, "the method", method)
    allowed, settings = allowance(budget), _settings(task, set)
    hands, first = _hands(endpoint, model, seed), _source(start)
    scored = evolving.away(spread.place(on)) if on else evolving.here
    path = Path("runs") / f"evolve-{_slug(task)}-{method}-{seed}" if out is None else out
    try:
        with progress.meter(f"evolve {task}") as watch:
            asked = {
                "method": method,
                "start": first,
                "seed": seed,
                "hands": hands,
                "workers": workers,
                "scored": scored,
            }
            found = evolving.run(settings, allowed, path, **asked, watch=watch)
    except KeyboardInterrupt:
        return complain(f"stopped; the same command goes on from {path}", INTERRUPTED), None
    found["report"] = str(pages.write(path, searched.programs))
    if json:
        return 0, found
    _say(found)
    return DONE


def _slug(task: str) -> str:
    return re.sub(r"\W+", "-", task).strip("-")


def _source(file: Path | None) -> str:
    try:
        return "" if file is None else file.read_text()
    except (OSError, UnicodeDecodeError) as wrong:
        raise InputError(f"cannot read {file} ({wrong}): give a file with a program") from None


def _settings(task: str, pairs: tuple[str, ...]) -> Any:
    from interplay.methods.context_evolve import Settings

    return Settings(**{"task": task, **words.fitting(Settings(), "context-evolve", pairs)})


def _hands(endpoint: str, model: str, seed: int) -> Any:
    from interplay.run import evolving

    ask = words.asking(endpoint, model, seed)
    return evolving.EMBEDDED if ask is None else evolving.by_model(model, ask)


def _say(found: dict[str, Any]) -> None:
    families = [name for name in found["held_out"]["found"] if name.startswith("score ")]
    columns = ("on instances not searched on", "score", *(name.removeprefix("score ") for name in families))
    rows = [(name, *(f"{one[each]:.3f}" for each in ("score", *families))) for name, one in found["held_out"].items()]
    words.table(f"{found['task']}, {found['method']}, {found['proposer']}", columns, rows)
    for why, count in {**found["lost"], **found["lost_roles"]}.items():
        print(f"lost {count}: {why}")
    print(
        f"{found['evaluations']:,} programs tried, score {found['start']['score']:.3f} → {found['best']['score']:.3f} on "
        f"instances searched on; the best is in {found['file']}:\n\n{found['program']}\n\nreport in {found['report']}"
    )
