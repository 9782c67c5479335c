"""A language team that talks without learning: talk."""

from pathlib import Path
from typing import Annotated

import tyro

from interplay.commands.words import DONE, Outcome, command, fitting
from interplay.core.errors import InputError


@command
def talk(
    game: Annotated[str, tyro.conf.Positional] = "",
    /,
    *,
    model: str = "scripted",
    name: str = "",
    team: str = "",
    task: str = "",
    episodes: int = 16,
    attempts: int = 1,
    temperature: float = 1.0,
    limit: int = 0,
    patience: float = 60.0,
    seed: int = 0,
    set: tuple[str, ...] = (),
    out: Path | None = None,
    json: bool = False,
) -> Outcome:
    """Let a language team talk without learning, and keep what was said on a page: on an endpoint, or before training.

    The key of an endpoint is read from OPENAI_API_KEY and never written down.

    Args:
        game: a task that `interplay list tasks` shows, or MODULE:NAME of a scene of your own
        model: scripted, tiny (knows nothing yet), smollm2, local:FOLDER, endpoint:URL up to and with /v1, run:FOLDER of a
            trained team, or agent by agent: AGENT=MODEL; AGENT+AGENT=MODEL(width=32)
        name: the model's name at an endpoint; or in brackets, endpoint:URL(name='NAME')
        team: a workflow of your own, as MODULE:NAME
        task: its tasks, as MODULE:NAME
        episodes: how many to play
        attempts: episodes about the same task, which are compared with each other
        temperature: what is drawn at; 0: the most likely words
        limit: longest message in the model's own tokens; as the game says where none is given
        patience: seconds that one answer of an endpoint may take
        seed: of tasks and of everything that is drawn
        set: settings of local models as in training, such as width=128, share=True, precision=float32
        out: a new folder; runs/talk-GAME-NUMBER where none is given
        json: print one JSON object
    """
    from interplay.methods.language import LanguageSettings
    from interplay.report import talked
    from interplay.run import talking

    if not (game or (team and task)):
        raise InputError("there is nothing to talk about: give a game, or --team and --task of your own")
    spoken = {"game": game or team, "model": model, "team": team, "task": task, "temperature": temperature}
    settings = LanguageSettings(**fitting(LanguageSettings(), "talk", set) | spoken)
    found = talking.talk(talking.Asked(settings, name, episodes, attempts, seed, limit, patience), out)
    path = Path(found["folder"])
    found["report"] = str(talked.write(path, found, talking.read(path)))
    if json:
        return 0, found
    score, wrong = found["return"], ", ".join(f"{name} {count}" for name, count in found["events"].items())
    ends = "" if score["low"] is None else f" [{score['low']:.2f}, {score['high']:.2f}] over {found['over']}"
    print(f"return {score['mean']:.2f}{ends}, {found['episodes']} episodes, {found['failed']} failed")
    print(f"{found['calls']:,} calls, {found['tokens']:,} tokens said, {found['tokens_read']:,} read")
    if wrong:
        print(f"counted: {wrong}")
    print(f"open {found['report']}")
    return DONE
