"""The documentation's team with a team inside and a server of tools: talks from the command line's arguments."""

import json
from pathlib import Path

import pytest

pytest.importorskip("mcp")

from interplay.lm.scene import found
from interplay.methods.language import LanguageSettings
from interplay.run import talking

ROOT = Path(__file__).resolve().parents[2]
TEAM, TASKS = "examples.my_searching_team:team", "examples.my_searching_team:tasks"


def test_the_clerk_looks_things_up_on_the_server(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    monkeypatch.syspath_prepend(str(ROOT))
    settings = LanguageSettings(game=TEAM, team=TEAM, task=TASKS, model="scripted")
    told = talking.talk(talking.Asked(settings, episodes=24), tmp_path / "talk")
    lines = [json.loads(line) for line in (tmp_path / "talk" / "transcripts.jsonl").read_text().splitlines()]
    assert told["events"] == {} and told["calls"] == 48
    for line in lines:
        _, shelf, tool, answer = line["messages"]
        assert (shelf["author"], tool["author"], answer["author"]) == ("clerk", "tool", "asker")
        paid = 0.2 * (tool["text"] != "nothing")
        assert shelf["reward"] == pytest.approx(line["return"] + paid) and answer["reward"] == line["return"]
        assert tool["text"] in ("nothing", answer["text"])
    assert 0.6 < told["return"]["mean"] < 1.0  # the right shelf, or iron by luck
    found("examples.my_searching_team:server")().close()
