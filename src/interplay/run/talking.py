"""A language team that talks without learning: on an endpoint, on a model of this machine, or by its script.

`talk` plays episodes, keeps every transcript in a folder and says what they earned and cost. Two known uses are a workflow of
one's own watched before training, and a team tried on a larger model behind a server.
"""

import dataclasses
import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int

from interplay.core.errors import InputError, at_least
from interplay.credit import groups
from interplay.lm.play import Limits, play
from interplay.lm.scene import Scene
from interplay.lm.transcript import Call, Transcript, reading, shown, turns
from interplay.measure import stats
from interplay.methods import language
from interplay.run import environment, folder, speaking
from interplay.run.speaking import Asked

WAVE = 32  # episodes under way at once; what was said so far is on disk
TALK, TRANSCRIPTS = "talk.json", "transcripts.jsonl"
QUIET = ("tokens", "asked", "delegations")  # events in which nothing went wrong


def talk(asked: Asked, out: Path | None = None) -> dict[str, Any]:
    """Play, keep everything that was said in a folder, and return what it came to.

    Raises `InputError` for a model that is not there, before anything is written, and `GameError` where every episode of a
    wave fails; what was said before that stays in the folder.
    """
    at_least("talk", episodes=(asked.episodes, 1), attempts=(asked.attempts, 1), limit=(asked.limit, 0))
    s, scene = asked.settings, _scene(asked)
    seats = speaking.seats(asked, scene)
    path, began = _folder(out, scene.name), time.monotonic()
    played: list[tuple[int, Transcript]] = []
    with open(path / TRANSCRIPTS, "a", encoding="utf-8") as file:
        for number, tasks in _waves(asked):
            words = (asked.seed, number)
            drawn = [scene.draw(np.random.default_rng([asked.seed, task])) for task in tasks]
            said = play(scene, seats, drawn, words, limits=Limits(seconds=s.seconds))
            rows = _lines(said, tasks, scene, asked.attempts)
            file.writelines(folder.scrub(json.dumps(folder.plain(row))) + "\n" for row in rows)
            file.flush()
            played += zip(tasks.tolist(), said, strict=True)
    found = {"game": scene.name, "model": s.model, "name": asked.name, "seed": asked.seed, "attempts": asked.attempts}
    found |= measured(played, scene) | {"seconds": time.monotonic() - began, "folder": str(path)}
    folder.write_json_atomic(path / "environment.json", environment.described())
    folder.write_json_atomic(path / TALK, found)
    return found


def read(path: Path) -> list[dict[str, Any]]:
    """Every episode of a talk, as a page shows it."""
    return [json.loads(line) for line in (path / TRANSCRIPTS).read_text(encoding="utf-8").splitlines()]


def measured(played: Sequence[tuple[int, Transcript]], scene: Scene) -> dict[str, Any]:
    """Returns with an interval over tasks, tokens said and read, calls, and what went wrong. Failed episodes earn nothing."""
    whole = [(task, one) for task, one in played if not one.events.get("failed")]
    earned = np.array([[one.earned(agent) for agent in scene.agents] for _, one in whole])
    tasks = np.array([task for task, _ in whole])
    by_task = [float(earned[tasks == task].mean()) for task in np.unique(tasks)]
    calls = [call for _, one in played for call in one.calls]
    events: dict[str, int] = {}
    for _, one in played:
        for event, count in one.events.items():
            events[event] = events.get(event, 0) + count
    return {
        "return": stats.interval(by_task).as_dict(),
        "over": "tasks",
        "episodes": len(whole),
        "failed": len(played) - len(whole),
        "calls": len(calls),
        "tokens": sum(map(_said, calls)),
        "tokens_read": sum(map(_read, calls)),
        "events": {event: count for event, count in sorted(events.items()) if count and event not in QUIET},
        "agents": {
            agent: {
                "return": float(earned[:, place].mean()),
                "calls": sum(call.agent == agent for call in calls),
                "tokens": sum(_said(call) for call in calls if call.agent == agent),
            }
            for place, agent in enumerate(scene.agents)
        },
    }


def _said(call: Call) -> int:
    return call.message.completion.size if call.message.completion else 0


def _read(call: Call) -> int:
    """Tokens that were read before the call, the server's count where there is one."""
    counted = call.message.completion.read if call.message.completion else 0
    return counted or len(reading(call.codec, call.agent, call.role, call.context))


def _lines(played: Sequence[Transcript], tasks: Int[np.ndarray, "episode"], scene: Scene, attempts: int):
    """Every episode to be read, turns compared with the agent's own in all attempts at the task, or in all episodes."""
    rows = turns(played, tasks, scene.agents)
    peers = (rows.task, rows.agent) if attempts > 1 else (rows.agent,)
    worth = groups.standardize(rows.reward, peers, groups.by_turn(rows.reward), singleton=groups.zero)
    for episode, one in enumerate(played):
        yield shown(one, worth[rows.episode == episode], int(tasks[episode])) | {"error": one.error}


def _waves(asked: Asked) -> Iterator[tuple[int, Int[np.ndarray, "episode"]]]:
    """The number of each wave and the tasks of its episodes, attempts at one task together."""
    task = np.arange(asked.episodes) // asked.attempts
    size = asked.attempts * max(1, WAVE // asked.attempts)
    yield from ((begin // size, task[begin : begin + size]) for begin in range(0, asked.episodes, size))


def _scene(asked: Asked) -> Scene:
    scene = language.scene_of(asked.settings)
    return dataclasses.replace(scene, limits=dict.fromkeys(scene.agents, asked.limit)) if asked.limit else scene


def _folder(out: Path | None, name: str) -> Path:
    """A new folder for what is said. Raises `InputError` where `out` holds something."""
    if out is None:
        return folder.next_name("runs", "talk", name)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(folder.disk_line(error, out)) from error
    if any(out.iterdir()):
        raise InputError(f"{out} is not empty: choose a new or empty folder with --out")
    return out
