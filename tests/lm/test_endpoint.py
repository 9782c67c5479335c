"""A real local server that speaks the OpenAI protocol, well and badly: answers, tries, failures, and no key in sight."""

import http.server
import json
import threading
import time

import pytest

from interplay.core.errors import InputError
from interplay.lm.constrain import Trie
from interplay.lm.endpoint import Endpoint, among
from interplay.lm.model import Model, Stop
from interplay.lm.play import Seat, play
from interplay.lm.scene import Scene

SECRET = "sk-very-secret"


class Server(http.server.BaseHTTPRequestHandler):
    moods: list = []
    seen: list = []

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.seen.append((body, self.headers.get("Authorization")))
        mood = self.moods.pop(0) if self.moods else "well"
        if isinstance(mood, int):
            self.send_error(mood)
            return
        if mood == "slow":
            time.sleep(1.0)
        last = body["messages"][-1]["content"]
        answer = {"choices": [{"message": {"content": f"heard {last}"}, "finish_reason": "stop"}]}
        data = b"{nonsense" if mood == "nonsense" else json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data) + 50 * (mood == "drops")))
        self.end_headers()
        self.wfile.write(data[:10] if mood == "drops" else data)

    def log_message(self, *_):
        pass


@pytest.fixture
def url(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    Server.moods, Server.seen = [], []
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    server.shutdown()
    server.server_close()


async def echo(team, task):
    first = await team.say("solver", task)
    second = await team.say("solver", task, first, "go on")
    return float(second.text == "heard go on")


SCENE = Scene("echo", ("solver",), echo, lambda random: "hello", roles={"solver": "be brief"}, limits={"solver": 7})


def talk(url, episodes=1, **changes):
    endpoint = Endpoint(url, "test", **{"longest_wait": 0.01, "seconds": 0.4, **changes})
    assert isinstance(endpoint, Model)
    return play(SCENE, {"solver": Seat(endpoint, trained=True)}, ["hello"] * episodes, (0,))


def test_a_team_is_played_on_a_server(url):
    played = talk(url, episodes=20)
    assert [one.outcome for one in played] == [1.0] * 20
    body, key = Server.seen[-1]
    assert [message["role"] for message in body["messages"]] == ["system", "user", "assistant", "user"]
    assert body["max_tokens"] == 7 and key == f"Bearer {SECRET}"
    assert not any(call.trained for one in played for call in one.calls)  # no tokens to learn from


@pytest.mark.parametrize("moods", [[429, 503], ["drops"], ["slow"]])
def test_what_a_server_gets_over_is_tried_again(url, moods):
    Server.moods = list(moods)
    one = talk(url)[0]
    assert one.outcome == 1.0 and "failed_answers" not in one.events


@pytest.mark.parametrize(("mood", "words"), [(401, "status 401"), ("nonsense", "no chat completion")])
def test_what_it_does_not_get_over_is_counted_without_the_key(url, mood, words):
    Server.moods = [mood]
    one = talk(url)[0]
    assert one.events["failed_answers"] == 1 and one.calls[0].message.stop is Stop.FAILED
    assert f"{words}, tried 1 times" in one.calls[0].message.completion.error
    assert SECRET not in repr(one)


def test_a_server_that_is_down_is_counted():
    one = talk("http://127.0.0.1:9/v1", tries=2)[0]
    assert one.events["failed_answers"] == 2 and one.outcome == 0.0


def test_an_address_that_is_none_is_refused():
    with pytest.raises(InputError, match="write http://HOST:PORT/v1"):
        Endpoint("localhost:8000", "test")


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("Yes.", "yes"),
        ("I say **no**", "no"),
        ("yes or no", None),
        ("yesterday", None),
        ("not sure", "not sure"),
        ("", None),
    ],
)
def test_an_answer_is_what_names_one_choice(said, meant):
    assert among(said, ["yes", "no", "not sure"]) == meant


def test_choices_are_asked_for_in_words_and_never_as_a_tree(url):
    async def choose(team, task):
        said = await team.say("solver", task, answers=(word for word in ("hello", "world")))
        return float(said.text == "hello")

    scene = Scene("choose", ("solver",), choose, lambda random: "hello", limits={"solver": 7})
    seat = Seat(Endpoint(url, "test", roles={"solver": "be bold"}), trained=False)
    (one,) = play(scene, {"solver": seat}, ["say"], (0,))
    assert [body["messages"][0]["content"] for body, _ in Server.seen] == ["be bold"] * 3
    assert one.events == {"tokens": one.events["tokens"], "outside": 1}  # it said both of them, three times
    assert one.calls[0].message.stop is Stop.OUTSIDE

    async def tree(team, task):
        return await team.say("solver", task, answers=Trie([[1]], end=0))

    with pytest.raises(InputError, match=r"give answers=.* as words"):
        play(Scene("tree", ("solver",), tree, lambda random: ""), {"solver": seat}, ["say"], (0,))


def test_trouble_is_known_before_anything_is_asked(url):
    assert Endpoint(url, "test").trouble() == ""
    Server.moods = [401]
    assert Endpoint(url, "test").trouble() == f"{url}: the endpoint answered with status 401"
    with pytest.raises(InputError, match="set OPENAI_API_KEY to the key"):
        Endpoint("http://user:word@host/v1", "test")
