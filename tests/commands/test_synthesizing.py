"""`interplay synthesize`: a short search ends in a policy that can be read, and bad input is said."""

import json
from pathlib import Path

import pytest

from interplay.commands import synthesizing
from interplay.core.errors import InputError
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
