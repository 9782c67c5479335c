"""The command line. Results go to standard output, progress to standard error; see `interplay --help`.

Exit codes: 0 done, 2 bad input (one line that says what to do), 1 a fault of ours, 130 stopped by Ctrl-C after saving.
Nothing heavy is imported before a command needs it.
"""

import json
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from interplay.core.errors import DivergenceError, GameError, InputError

INTERRUPTED = 130
Runs = Annotated[tuple[Path, ...], tyro.conf.Positional]
RunFolder = Annotated[Path, tyro.conf.Positional]
app = tyro.extras.SubcommandApp()


@app.command(name="list")
def list_(what: Annotated[Literal["methods", "games", "all"], tyro.conf.Positional] = "all", *, json: bool = False) -> int:
    """Show the methods and games that can be named.

    Args:
        what: methods, games or all
        json: print one JSON object instead of a table
    """
    from interplay import games, methods

    tables = {"methods": {name: text for name, (_, text) in methods.MODULES.items()}, "games": games.catalog()}
    if what != "all":
        tables = {what: tables[what]}
    if json:
        return _print(tables)
    for title, rows in tables.items():
        _table(title, rows)
    return 0


@app.command
def train(
    method: Annotated[str, tyro.conf.Positional],
    /,
    game: str,
    *,
    steps: int | None = None,
    seeds: int = 1,
    seed: int = 0,
    out: Path | None = None,
    set: tuple[str, ...] = (),
    sink: tuple[str, ...] = (),
    checkpoint_seconds: float = 30.0,
    devices: int | None = None,
    json: bool = False,
) -> int:
    """Train METHOD on a game and write a run folder.

    Args:
        method: a name that `interplay list methods` shows
        game: a name that `interplay list games` shows, ADAPTER:NAME, or MODULE:CLASS of your own
        steps: environment steps per seed; one step moves all agents of one game once
        seeds: how many seeds to train together
        seed: the first seed
        out: the run folder; runs/METHOD-GAME-NUMBER where none is given
        set: settings of the method, as FIELD=VALUE
        sink: more places to log to: tensorboard wandb mlflow trackio
        checkpoint_seconds: seconds between checkpoints
        devices: host devices to use; all cores where none is given
        json: print one JSON object at the end
    """
    from interplay.run import devices as machine
    from interplay.run import loop, progress, training

    machine.prepare(devices)
    with progress.shown(f"{method} on {game}") as watch:
        run = training.train(
            method,
            game,
            steps=steps,
            seeds=seeds,
            seed=seed,
            out=out,
            watch=watch,
            pace=loop.Pace(save=checkpoint_seconds),
            sinks=sink,
            **_settings(set),
        )
    return _finish(run, json)


@app.command
def resume(run: RunFolder, /, *, checkpoint_seconds: float = 30.0, json: bool = False) -> int:
    """Continue an interrupted run from its newest good checkpoint, to the same numbers an unbroken run would have given.

    Args:
        run: a run folder
        checkpoint_seconds: seconds between checkpoints
        json: print one JSON object at the end
    """
    from interplay.run import loop, progress, training

    with progress.shown(f"resume {run}") as watch:
        resumed = training.resume(run, watch=watch, pace=loop.Pace(save=checkpoint_seconds))
    return _finish(resumed, json)


@app.command
def evaluate(run: RunFolder, /, *, episodes: int = 128, sampled: bool = False, json: bool = False) -> int:
    """Play fresh episodes with a run's newest checkpoint.

    Args:
        run: a run folder
        episodes: episodes per seed
        sampled: sample actions instead of taking the most likely ones
        json: print one JSON object
    """
    from interplay.run import saved

    loaded = saved.load(run)
    result = loaded.evaluate(episodes, greedy=not sampled)
    saved.write_evaluation(loaded, result)
    if json:
        return _print(result)
    score = result["return"]
    print(f"return {_interval(score)} over {result['over']}, {episodes} episodes a seed, {result['mode']} actions")
    print(f"the team runs {_needs(result['execution'])}")
    return 0


@app.command
def replay(run: RunFolder, /, *, seed: int | None = None, sampled: bool = False, number: int = 0, json: bool = False) -> int:
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
    recorded = loaded.replay(seed, greedy=not sampled, number=number)
    path = saved.write_replay(loaded, recorded)
    shown = page.run_page(run)
    if json:
        return _print({"replay": path, "frames": len(recorded["frames"]), "return": recorded["return"], "report": shown})
    print(f"{len(recorded['frames'])} frames, return {recorded['return']:.2f}: open {shown}")
    return 0


@app.command
def compare(runs: Runs, /, *, out: Path = Path("comparison.html"), json: bool = False) -> int:
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
        return _print({"report": path, "runs": rows})
    for row in rows:
        print(f"{row['run']}  {row['method']} on {row['game']}  return {_interval(row['return'])}  ({row['seeds']} seeds)")
    print(f"open {path}")
    return 0


@app.command
def report(runs: Runs, /, *, out: Path | None = None, json: bool = False) -> int:
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
        return _print({"report": path})
    print(path)
    return 0


@app.command
def doctor(*, json: bool = False) -> int:
    """Say what works on this machine: devices, adapters, extras, and what to install for the rest.

    Args:
        json: print one JSON object
    """
    from interplay.run import health

    found = health.examine()
    if json:
        return _print(found)
    health.show(found)
    return 0


def main(arguments: list[str] | None = None) -> None:
    """Run one command and leave with its exit code."""
    words = _joined(list(sys.argv[1:] if arguments is None else arguments))
    try:
        code = app.cli(args=words or ["--help"], prog="interplay", config=(tyro.conf.FlagCreatePairsOff,))
    except (InputError, GameError, DivergenceError) as wrong:
        print(f"interplay: {wrong}", file=sys.stderr)
        code = 1 if isinstance(wrong, DivergenceError) else 2
    except KeyboardInterrupt:
        print("interplay: stopped", file=sys.stderr)
        code = INTERRUPTED
    except BrokenPipeError:
        code = 0
    raise SystemExit(code)


def _finish(run: Any, as_json: bool) -> int:
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
        print(f"stopped at step {status['step']:,} and saved; continue with: interplay resume {run.path}", file=sys.stderr)
    if as_json:
        _print(result)
    elif not interrupted:
        print(f"return {_interval(result['return'])}, {status['steps_per_second']:,.0f} steps/s: open {path}")
    return INTERRUPTED if interrupted else 0


def _settings(pairs: tuple[str, ...]) -> dict[str, Any]:
    import ast

    changes = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals:
            raise InputError(f"cannot read the setting '{pair}': write FIELD=VALUE")
        try:
            changes[name] = ast.literal_eval(text)
        except (ValueError, SyntaxError):
            changes[name] = text
    for name in ("game", "steps"):
        if name in changes:
            raise InputError(f"give the {name} as --{name}, not as a setting")
    return changes


def _joined(words: list[str]) -> list[str]:
    """Repeated `--set a=1 --set b=2` as one `--set a=1 b=2`."""
    for flag in ("--set", "--sink"):
        places = [index for index, word in enumerate(words) if word == flag]
        for index in reversed(places[1:]):
            moved = [words.pop(index)]
            while index < len(words) and not words[index].startswith("-"):
                moved.append(words.pop(index))
            words[places[0] + 1 : places[0] + 1] = moved[1:]
    return words


def _print(value: Any) -> int:
    print(json.dumps(value, default=str))
    return 0


def _table(title: str, rows: dict[str, str]) -> None:
    import rich.console
    import rich.table

    table = rich.table.Table("name", "what it is", title=title, title_justify="left", box=None)
    for name, text in rows.items():
        table.add_row(name, text)
    rich.console.Console().print(table)


def _interval(score: dict[str, Any]) -> str:
    if score["mean"] is None:
        return "unknown"
    if score["low"] is None:
        return f"{score['mean']:.2f} (one seed: no interval)"
    return f"{score['mean']:.2f} [{score['low']:.2f}, {score['high']:.2f}]"


def _needs(execution: str) -> str:
    return {
        "decentralized": "decentralized: every agent on its own observation",
        "center": "with a center that sees or sends to several agents",
        "order": "in an order: agents see earlier agents' actions",
    }.get(execution, execution)


if __name__ == "__main__":
    main()
