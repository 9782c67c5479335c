"""A team tried without training: by its script, on models of ours, on a real local server that speaks the OpenAI protocol."""

import http.server
import json
import re
import threading

import pytest

from interplay import cli
from interplay.commands import talking  # registers the command

assert talking
SECRET = "sk-very-secret-key"
TEAM = ("--team", "examples.my_language_team:team", "--task", "examples.my_language_team:tasks")


class Server(http.server.BaseHTTPRequestHandler):
    """Adds rightly, and checks wrongly, in so many words; `mood` is what goes wrong."""

    mood, seen = "", []

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.seen.append((body, self.headers["Authorization"]))
        if self.mood == "key":
            self.send_error(401)
            return
        last = body["messages"][-1]["content"]
        first = next(one["content"] for one in body["messages"] if one["role"] == "user")
        digits = [int(digit) for digit in re.findall(r"\b\d\b", first)][:2]
        said = "Wrong!" if "right, wrong" in last else "hmm" if self.mood == "vague" else f"It is {sum(digits) % 10}."
        usage = {"prompt_tokens": 10, "completion_tokens": 3}
        answer = {"choices": [{"message": {"content": said}, "finish_reason": "stop"}], "usage": usage}
        data = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


@pytest.fixture
def url(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    Server.mood, Server.seen = "", []
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    server.shutdown()
    server.server_close()


def said(capsys, *words):
    with pytest.raises(SystemExit) as leaving:
        cli.main(["talk", *map(str, words)])
    return leaving.value.code, capsys.readouterr()


def test_a_team_of_ones_own_on_an_endpoint(url, capsys, tmp_path):
    where = ("--model", f"endpoint:{url}", "--name", "adder", "--out", tmp_path / "talk", "--limit", 8)
    code, out = said(capsys, *TEAM, *where, "--episodes", 6, "--attempts", 2, "--json")
    assert code == 0
    told = json.loads(out.out)
    assert told["episodes"] == 6 and told["failed"] == 0 and told["over"] == "tasks"
    assert told["calls"] == 18 and told["tokens"] == 54 and told["tokens_read"] == 180  # by the server's count
    assert told["agents"]["solver"]["return"] == 1.0 and told["agents"]["checker"]["return"] == 0.5
    assert told["return"] == {"mean": 0.75, "low": 0.75, "high": 0.75} and told["events"] == {}
    body, key = Server.seen[-1]
    assert key == f"Bearer {SECRET}" and body["max_tokens"] == 8 and body["model"] == "adder"
    last = body["messages"][-1]["content"].splitlines()  # what others said is by name, in one message
    assert last[0] == "checker: wrong" and last[1].startswith("Answer with exactly one of: 0, 1")
    everything = "".join(path.read_text() for path in (tmp_path / "talk").iterdir())
    assert SECRET not in everything + out.out + out.err
    page = (tmp_path / "talk" / "report.html").read_text()
    assert "What was said" in page and "checker" in page and "adder" in page
    lines = [json.loads(line) for line in (tmp_path / "talk" / "transcripts.jsonl").read_text().splitlines()]
    assert [line["group"] for line in lines] == [0, 0, 1, 1, 2, 2] and lines[0]["task"] == lines[1]["task"]
    assert said(capsys, "ledger", "--out", tmp_path / "talk")[1].err.strip().endswith("new or empty folder with --out")


def test_an_answer_that_is_none_of_those_asked_for_is_counted(url, capsys, tmp_path):
    Server.mood = "vague"
    where = ("--model", f"endpoint:{url}", "--name", "adder", "--out", tmp_path / "talk")
    code, out = said(capsys, *TEAM, *where, "--episodes", 2, "--json")
    told = json.loads(out.out)
    assert code == 0 and told["events"] == {"outside": 4} and told["agents"]["solver"]["return"] == 0.0
    assert len(Server.seen) == 1 + 2 * (3 + 1 + 3)  # a greeting; the solver is asked three times, the checker once
    assert "stopped: outside" in (tmp_path / "talk" / "report.html").read_text()


def test_what_cannot_be_is_one_line_before_anything_is_written(url, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for words, line in (
        (["ledger", "--model", f"endpoint:{url}"], "give --name"),
        (["ledger", "--model", "endpoint:http://key@host/v1", "--name", "x"], "set OPENAI_API_KEY to the key"),
        (["ledger", "--model", "endpoint:http://127.0.0.1:9/v1", "--name", "x", "--patience", "0.1"], "cannot be reached"),
        (["ledger", "--model", "huge"], "there is no model 'huge'"),
        (["ledger", "--episodes", "0"], "give at least 1"),
        ([], "there is nothing to talk about"),
    ):  # fmt: skip
        code, out = said(capsys, *words)
        assert code == 2 and line in out.err and len(out.err.strip().splitlines()) == 1
    Server.mood = "key"
    code, out = said(capsys, "ledger", "--model", f"endpoint:{url}", "--name", "x")
    assert code == 2 and "status 401; check the address, --name, and the key" in out.err and SECRET not in out.err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("model", ["scripted", "tiny"])
def test_models_of_this_machine_talk_before_training(capsys, tmp_path, model):
    pytest.importorskip("torch")
    words = (
        "ledger(skill=1.0,known=1.0)",
        "--model",
        model,
        "--episodes",
        4,
        "--set",
        "width=8",
        "--out",
        tmp_path / "a",
    )
    code, out = said(capsys, *words)
    lines = (tmp_path / "a" / "transcripts.jsonl").read_text()
    assert code == 0 and "4 episodes, 0 failed" in out.out and len(lines.splitlines()) == 4
    said(capsys, *words[:-1], tmp_path / "b")
    assert (tmp_path / "b" / "transcripts.jsonl").read_text() == lines
    assert ("illegal" in out.out) == (model == "tiny")


def test_every_agent_may_have_a_model_of_its_own(url, capsys, tmp_path):
    team = f"solver=endpoint:{url}(name='adder'); checker=scripted"
    code, out = said(capsys, *TEAM, "--model", team, "--episodes", 4, "--json", "--out", tmp_path / "a")
    told = json.loads(out.out)
    assert code == 0 and told["model"] == team and told["agents"]["solver"]["return"] == 1.0
    asked = [body for body, _ in Server.seen[1:]]  # after a greeting; the checker's script needs no server
    assert len(asked) == told["agents"]["solver"]["calls"] and {body["model"] for body in asked} == {"adder"}
    assert told["calls"] == len(asked) + told["agents"]["checker"]["calls"] and told["events"] == {}

    Server.seen.clear()
    team = f"checker=endpoint:{url}(name='judge');solver = endpoint:{url}"
    code, out = said(capsys, *TEAM, "--model", team, "--name", "adder", "--episodes", 2, "--out", tmp_path / "b")
    names = [(body["model"], "right, wrong" in body["messages"][-1]["content"]) for body, _ in Server.seen[2:]]
    assert code == 0 and set(names) == {("adder", False), ("judge", True)}


def test_models_of_tokens_and_of_words_talk_to_each_other(url, capsys, tmp_path):
    pytest.importorskip("torch")
    team = f"solver=tiny(width=8, depth=1); checker=endpoint:{url}(name='judge')"
    code, out = said(capsys, *TEAM, "--model", team, "--episodes", 2, "--json", "--out", tmp_path / "a")
    told = json.loads(out.out)
    assert code == 0 and told["failed"] == 0
    assert len(Server.seen) == 1 + told["agents"]["checker"]["calls"] and told["agents"]["solver"]["tokens"] > 0


def test_a_trained_agent_talks_among_others(capsys, tmp_path):
    pytest.importorskip("torch")
    from interplay.run import saved, speaking
    from interplay.run.talking import Asked, language

    small = ("tasks=2", "group=2", "width=8", "depth=1", "demonstrations=4", "imitation=1")
    trained = ["train", "dr-mas", "--game", "ledger", "--steps", "8", "--out", str(tmp_path / "run"), "--set", *small]
    with pytest.raises(SystemExit) as leaving:
        cli.main(trained)
    assert leaving.value.code == 0
    team = f"searcher+router=run:{tmp_path / 'run'}; answerer=scripted"
    settings = language.LanguageSettings(model=team)
    seats = speaking.seats(Asked(settings), language.scene_of(settings))
    assert list(seats) == ["router", "searcher", "answerer"] and seats["router"].model is seats["searcher"].model
    for agent, weights in zip(seats, saved.load(tmp_path / "run").team().members[:2], strict=False):
        held = seats[agent].model.weights(seats[agent].member)
        assert all((held[name] == weights[name]).all() for name in weights)
    code, out = said(capsys, "ledger", "--model", team, "--episodes", 2, "--out", tmp_path / "talk")
    assert code == 0 and "2 episodes, 0 failed" in out.out
    assert (
        said(capsys, "ledger", "--model", f"run:{tmp_path / 'run'}(seed=1)")[1]
        .err.strip()
        .endswith("seed 1 is not one")
    )
    for who, line in (
        (f"solver=run:{tmp_path / 'run'}; checker=scripted", "has no agent 'solver'"),
        (f"solver=run:{tmp_path / 'none'}; checker=scripted", str(tmp_path / "none")),
    ):
        code, out = said(capsys, *TEAM, "--model", who)
        assert code == 2 and line in out.err and len(out.err.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("team", "line"),
    [
        ("solver=scripted; solver+checker=scripted", "agent 'solver' has two models: name it once"),
        ("solver=scripted", "agent 'checker' has no model: add ; checker=MODEL"),
        ("solver=scripted; cheker=scripted", "the team has no agent 'cheker': did you mean checker"),
        ("solver=scripted; tiny", "model 'tiny' says not whose it is: write AGENT=MODEL"),
        (
            "solver=scripted; checker=huge",
            "there is no model 'huge': use tiny, smollm2, local, scripted (local:FOLDER)",
        ),
        ("solver=scripted(width=3); checker=scripted", "scripted: this model has no settings"),
        ("solver=tiny(widht=3); checker=scripted", "tiny: this model has no setting 'widht': did you mean width"),
        ("solver=endpoint:http://127.0.0.1:9/v1; checker=scripted", "give --name"),
        ("solver=endpoint:http://127.0.0.1:9/v1(name='x'); checker=scripted", "cannot be reached"),
        ("solver=tiny(width; checker=scripted", "cannot read the model 'tiny(width': write MODEL"),
    ],
)
def test_a_team_that_cannot_be_is_one_line_before_anything_is_written(capsys, tmp_path, monkeypatch, team, line):
    monkeypatch.chdir(tmp_path)
    code, out = said(capsys, *TEAM, "--model", team, "--patience", "0.1")
    assert code == 2 and line in out.err and len(out.err.strip().splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_training_on_an_endpoint_is_refused(capsys):
    with pytest.raises(SystemExit) as leaving:
        cli.main(["train", "dr-mas", "--game", "ledger", "--model", "endpoint:http://localhost/v1"])
    assert leaving.value.code == 2
    assert "try the team on it with `interplay talk ledger --model endpoint:" in capsys.readouterr().err
