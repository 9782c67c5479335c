"""`interplay synthesize`: a short search ends in a policy that can be read, and bad input is said."""

import json
from pathlib import Path

import pytest

from interplay.commands import synthesizing
from interplay.core.errors import InputError
from interplay.report import search, searched
from interplay.report.replay import read_replays
from interplay.text import policies

SHORT = ("practice=0", "length=20", "episodes=1", "report_length=20", "report_episodes=1", "batch=2")


def test_a_short_search_writes_a_policy(tmp_path):
    words = {"budget": "4", "set": SHORT, "out": tmp_path / "search", "json": True}
    code, found = synthesizing.synthesize("gathering(map='garden', agents=2)", **words)
    assert code == 0 and found["evaluations"] == 4 == len(found["history"])
    page = Path(found.pop("page")).read_text()
    assert found["policy"].splitlines()[-1] in page and 'id="grid"' in page and page.count('class="candidate"') == 4
    assert json.loads((tmp_path / "search" / "found.json").read_text()) == json.loads(json.dumps(found))
    assert policies.parse((tmp_path / "search" / "best.policy").read_text()) == policies.parse(found["policy"])
    assert {"found", "greedy", "zones"} <= found["report"].keys()
    replays, refused = read_replays(tmp_path / "search" / "replays")
    assert [each.name for each in replays] == ["found", "greedy"] and not refused
    one = replays[0]
    assert len(one.frames) == len(one.rewards) == 20 and "step 0" in one.frame(0) and "step 19" in one.frame(19)
    assert one.total == pytest.approx(found["report"]["found"]["reward"])  # the report's only episode, as long
    assert 'class="player"' in page and page.index("found on gathering") < page.index("greedy on gathering")


def test_a_replay_that_is_torn_is_said_on_the_page(tmp_path):
    words = {"budget": "2", "set": SHORT, "out": tmp_path, "json": True}
    synthesizing.synthesize("gathering(map='garden', agents=2)", **words)
    for each in (tmp_path / "replays").iterdir():
        each.write_text("{")
    page = search.write(tmp_path, searched.policies).read_text()
    assert "replay found.json left out" in page and 'class="player"' not in page


@pytest.mark.parametrize(
    ("game", "words"),
    [
        ("spread", {}),
        ("cleanup", {"feedback": "loud"}),
        ("cleanup", {"set": ("temprature=1",)}),
        ("cleanup", {"set": ("length=long",)}),
        ("cleanup", {"model": "some"}),
    ],
)
def test_bad_input_is_said_before_anything_is_made(game, words, tmp_path):
    with pytest.raises(InputError):
        synthesizing.synthesize(game, out=tmp_path / "search", **words)
    assert not (tmp_path / "search").exists()
