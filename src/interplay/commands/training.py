"""Training and what follows it: list, train, resume, evaluate, replay, compare, report, doctor.

Nothing heavy is imported before a command needs it.
"""

import functools
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from interplay.commands.words import DONE, INTERRUPTED, Outcome, command, interval, say, settings, table
from interplay.core.errors import InputError, StoppedError

Runs = Annotated[tuple[Path, ...], tyro.conf.Positional]
RunFolder = Annotated[Path, tyro.conf.Positional]


@command
def list_(
    what: Annotated[Literal["methods", "games", "tasks", "claims", "all"], tyro.conf.Positional] = "all",
    *,
    json: bool = False,
) -> Outcome:
    """Show the methods, games, tasks and claims that can be named.

    Args:
        what: methods, games, tasks (for language teams), claims or all
        json: print one JSON object instead of a table
    """
    from interplay import claims, games, methods
    from interplay.lm import tasks

    told = lambda modules: {name: text for name, (_, text) in modules.items()}
    tables = {
        "methods": told(methods.MODULES),
        "games": games.catalog(),
        "tasks": tasks.catalog(),
        "claims": told(claims.MODULES),
    }
    if what != "all":
        tables = {what: tables[what]}
    if json:
        return 0, tables
    for title, rows in tables.items():
        table(title, ("name", "what it is"), rows.items())
    return DONE


@command
def train(
    method: Annotated[str, tyro.conf.Positional],
    /,
    game: str = "",
    *,
    model: str | None = None,
    team: str | None = None,
    task: str | None = None,
    steps: int | None = None,
    seeds: int = 1,
    seed: int = 0,
    out: Path | None = None,
    set: tuple[str, ...] = (),
    sink: tuple[str, ...] = (),
    checkpoint_seconds: float = 30.0,
    keep: int = 3,
    devices: int | None = None,
    json: bool = False,
) -> Outcome:
    """Train METHOD on a game and write a run folder.

    Args:
        method: a name that `interplay list methods` shows, or a module of your own
        game: a name that `interplay list games` shows, ADAPTER:NAME, or MODULE:CLASS of your own
        model: what speaks in a language team and learns: tiny, smollm2 or local:FOLDER
        team: a language team's workflow of your own, as MODULE:NAME
        task: its tasks, as MODULE:NAME
        steps: environment steps per seed; one step moves all agents of one game once
        seeds: how many seeds to train together
        seed: the first seed
        out: the run folder; runs/METHOD-GAME-NUMBER where none is given
        set: settings of the method, as FIELD=VALUE
        sink: more places to log to: tensorboard wandb mlflow trackio
        checkpoint_seconds: seconds between checkpoints
        keep: how many checkpoints stay, the newest; more than one are a pool for `interplay evaluate --pool`
        devices: host devices to use; all cores where none is given
        json: print one JSON object at the end
    """
    from interplay.run import devices as machine
    from interplay.run import loop, training

    machine.prepare(devices)
    spoken = {"model": model, "team": team, "task": task}
    changes = settings(set) | {name: value for name, value in spoken.items() if value is not None}
    if not (game or (team and task)):
        raise InputError("there is nothing to train on: give --game, or --team and --task of your own")
    game = game or str(team)
    work = functools.partial(
        training.train,
        method,
        game,
        steps=steps,
        seeds=seeds,
        seed=seed,
        out=out,
        pace=loop.Pace(save=checkpoint_seconds, keep=keep),
        sinks=sink,
        **changes,
    )
    return _trained(work, f"{method} on {game}", json)


@command
def resume(run: RunFolder, /, *, checkpoint_seconds: float = 30.0, json: bool = False) -> Outcome:
    """Continue an interrupted run from its newest good checkpoint, to the numbers an unbroken run would have given.

    Args:
        run: a run folder
        checkpoint_seconds: seconds between checkpoints
        json: print one JSON object at the end
    """
    from interplay.run import folder, loop, state, training

    say(state.find_good(folder.open_run(run).checkpoints)[1])
    work = functools.partial(training.resume, run, pace=loop.Pace(save=checkpoint_seconds))
    return _trained(work, f"resume {run}", json)


@command
def evaluate(
    run: RunFolder,
    /,
    *,
    episodes: int = 128,
    sampled: bool = False,
    crossplay: bool = False,
    pool: bool = False,
    json: bool = False,
) -> Outcome:
    """Play fresh episodes with a run's newest checkpoint.

    Args:
        run: a run folder
        episodes: episodes per seed
        sampled: sample actions instead of taking the most likely ones
        crossplay: also play every seed's first agent with every other seed's partners; in language teams every agent
        pool: also play the checkpoints that were kept with each other, the first seed's
        json: print one JSON object
    """
    from interplay.run import saved

    loaded = saved.load(run)
    say(loaded.notes)
    result = loaded.evaluate(episodes, greedy=not sampled)
    if crossplay:
        result |= (loaded.seat_by_seat if loaded.spoken else loaded.crossplay)(episodes, greedy=not sampled)
    if pool:
        result["pool"] = loaded.pool(episodes, greedy=not sampled)
    saved.write_evaluation(loaded, result)
    if json:
        return 0, result
    score = result["return"]
    print(f"return {interval(score)} over {result['over']}, {episodes} episodes a seed, {result['mode']} actions")
    print(f"the team runs {_needs(result['execution'])}")
    if crossplay:
        _pairs(result, [f"seed {seed}" for seed in result["seeds"]])
        for name, told in result.get("by_agent", {}).items():
            print(
                f"{name} with others' partners: {_mean(told['cross_play'])}, with its own: {_mean(result['self_play'])}"
            )
    if pool:
        _pairs(result["pool"], [f"step {step:,}" for step in result["pool"]["steps"]])
    return DONE


@command
def replay(
    run: RunFolder, /, *, seed: int | None = None, sampled: bool = False, number: int = 0, json: bool = False
) -> Outcome:
    """Play one episode, keep its pictures in the run folder and put them into the report.

    Args:
        run: a run folder
        seed: whose team plays; the first seed where none is given
        sampled: sample actions instead of taking the most likely ones
        number: which episode
        json: print one JSON object
    """
    from interplay.report import page
    from interplay.run import saved

    loaded = saved.load(run)
    say(loaded.notes)
    recorded = loaded.replay(seed, greedy=not sampled, number=number)
    path = saved.write_replay(loaded, recorded)
    shown = page.run_page(run)
    what = "dialogues" if "dialogues" in recorded else "frames"
    if json:
        return 0, {"replay": path, what: len(recorded[what]), "return": recorded["return"], "report": shown}
    print(f"{len(recorded[what])} {what}, return {recorded['return']:.2f}: open {shown}")
    return DONE


@command
def compare(runs: Runs, /, *, out: Path = Path("comparison.html"), json: bool = False) -> Outcome:
    """Compare runs on one page: curves with intervals, a table, performance profiles, probability of improvement.

    Args:
        runs: run folders
        out: the page to write
        json: print one JSON object
    """
    from interplay.report import page, summary

    path = page.comparison_page(runs, out)
    rows = summary.summary(runs)
    if json:
        return 0, {"report": path, "runs": rows}
    for row in rows:
        print(
            f"{row['run']}  {row['method']} on {row['game']}  return {interval(row['return'])}  ({row['seeds']} seeds)"
        )
    print(f"open {path}")
    return DONE


@command
def report(runs: Runs, /, *, out: Path | None = None, json: bool = False) -> Outcome:
    """Write a run's report page, or one page for several runs.

    Args:
        runs: one run folder or more
        out: the page to write, for several runs
        json: print one JSON object
    """
    from interplay.report import page

    if len(runs) == 1 and out is None:
        path = page.run_page(runs[0])
    else:
        path = page.comparison_page(runs, out or Path("comparison.html"))
    if json:
        return 0, {"report": path}
    print(path)
    return DONE


@command
def doctor(*, json: bool = False) -> Outcome:
    """Say what works on this machine: devices, adapters, extras, and what to install for the rest.

    Args:
        json: print one JSON object
    """
    from interplay.run import health

    found = health.examine()
    if json:
        return 0, found
    health.show(found)
    return DONE


def _trained(work: Callable[..., Any], title: str, as_json: bool) -> Outcome:
    """Train while a person can watch; a run that breaks down gets its report, too. Of several processes the first tells."""
    from interplay.lm import together
    from interplay.report import page
    from interplay.run import progress

    if together.rank():
        work()
        return DONE
    try:
        with progress.shown(title) as watch:
            run = work(watch=watch)
    except StoppedError as wrong:
        if wrong.run is not None:
            page.run_page(wrong.run)
        raise
    return _finish(run, as_json)


def _finish(run: Any, as_json: bool) -> Outcome:
    from interplay.report import page, summary

    status = run.status()
    path = page.run_page(run.path)
    result = {
        "run": run.path,
        "method": run.settings["method"],
        "game": run.settings["game"],
        "seeds": run.settings["seeds"],
        "steps": status["step"],
        "steps_per_second": status["steps_per_second"],
        "compile_seconds": status["compile_seconds"],
        "return": summary.final_return(run.path),
        "execution": status["execution"],
        "state": status["state"],
        "report": path,
    }
    interrupted = status["state"] == "interrupted"
    if interrupted:
        print(
            f"stopped at step {status['step']:,} and saved; continue with: interplay resume {run.path}", file=sys.stderr
        )
    if not as_json and not interrupted:
        print(f"return {interval(result['return'])}, {status['steps_per_second']:,.0f} steps/s: open {path}")
    return INTERRUPTED if interrupted else 0, result if as_json else None


def _pairs(result: dict[str, Any], names: list[str]) -> None:
    pairs = zip(names, result["crossplay"], strict=True)
    rows = ((name, *(f"{value:.2f}" for value in row)) for name, row in pairs)
    table("cross-play: mean return of pairs", ("first agent of", *(f"with {name}" for name in names)), rows)


def _mean(value: float | None) -> str:
    return "unknown, there is one seed" if value is None else f"{value:.2f}"


def _needs(execution: str) -> str:
    return {
        "decentralized": "decentralized: every agent on its own observation",
        "center": "with a center that sees or sends to several agents",
        "order": "in an order: agents see earlier agents' actions",
    }.get(execution, execution)
