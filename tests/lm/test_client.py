"""Endpoints that are down, slow, busy or talk nonsense are answers with a failure, counted, and never the end of a search."""

import contextlib
import http.server
import json
import threading
import time

import pytest

from interplay.core.errors import InputError
from interplay.lm.client import Endpoint, ask, from_environment

TALK = [{"role": "user", "content": "Improve this."}]


def completion(text, usage=None):
    answer = {"choices": [{"message": {"role": "assistant", "content": text}}]}
    return json.dumps(answer | ({"usage": usage} if usage else {})).encode()


@contextlib.contextmanager
def server(*answers):
    """A server on this machine that gives (status, headers, body) one after the other; the last again and again."""
    seen = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            seen.append((self.path, dict(self.headers), json.loads(body)))
            status, headers, text = answers[min(len(seen), len(answers)) - 1]
            if callable(text):
                text = text()
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            with contextlib.suppress(OSError):
                self.wfile.write(text)

        def log_message(self, *words):
            pass

    there = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=there.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{there.server_address[1]}/v1", seen
    finally:
        there.shutdown()
        there.server_close()
        thread.join()


def test_an_answer_its_tokens_and_its_price():
    usage = {"prompt_tokens": 1000, "completion_tokens": 500}
    with server((200, {}, completion("t ^ 2", usage))) as (url, seen):
        found = ask(Endpoint(url, "m", "secret", price_read=2.0, price_written=8.0), TALK)
    assert found.text == "t ^ 2"
    assert found.failure == ""
    assert (found.spent.calls, found.spent.tokens) == (1, 1500)
    assert found.spent.money == pytest.approx(0.006)
    path, headers, body = seen[0]
    assert path == "/v1/chat/completions"
    assert headers["Authorization"] == "Bearer secret"
    assert body["messages"] == TALK
    assert body["model"] == "m"


def test_tokens_are_guessed_where_the_server_does_not_count():
    with server((200, {}, completion("x" * 40, {"prompt_tokens": "many"}))) as (url, _):
        assert ask(Endpoint(url, "m"), TALK).spent.tokens == len("Improve this.") // 4 + 10


def test_a_busy_server_is_asked_again_after_as_long_as_it_says():
    waits = []
    busy = (429, {"Retry-After": "7"}, b"{}")
    with server(busy, (503, {}, b""), (200, {}, completion("yes"))) as (url, seen):
        found = ask(Endpoint(url, "m"), TALK, waits.append)
    assert found.text == "yes"
    assert waits == [7.0, 2.0]
    assert found.spent.calls == len(seen) == 3


def test_nobody_waits_longer_than_is_allowed_or_asks_more_often():
    waits = []
    with server((429, {"Retry-After": "100000"}, b"")) as (url, seen):
        found = ask(Endpoint(url, "m", tries=3, longest_wait=5.0), TALK, waits.append)
    assert waits == [5.0, 5.0]
    assert len(seen) == 3
    assert "429" in found.failure


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (401, b"{}", "status 401"),
        (200, b"<html>busy</html>", "no chat completion"),
        (200, b'{"choices": []}', "no chat completion"),
        (200, b'{"choices": [{"message": {"content": null}}]}', "answered nothing"),
        (200, b"[" * 100_000, "no chat completion"),
        (200, b"x" * (2 << 20), "more than"),
    ],
)
def test_nonsense_is_a_failure_in_words_and_not_asked_for_again(status, body, words):
    with server((status, {}, body)) as (url, seen):
        found = ask(Endpoint(url, "m"), TALK, lambda seconds: None)
    assert words in found.failure
    assert found.text == ""
    assert len(seen) == 1


def test_a_slow_server_is_given_up():
    with server((200, {}, lambda: time.sleep(1) or completion("late"))) as (url, _):
        began = time.monotonic()
        found = ask(Endpoint(url, "m", seconds=0.1, tries=2), TALK, lambda seconds: None)
    assert "longer than 0.1 s" in found.failure
    assert time.monotonic() - began < 5


def test_a_server_that_is_down_is_a_failure():
    with server((200, {}, b"")) as (url, _):
        pass
    found = ask(Endpoint(url, "m", tries=2), TALK, lambda seconds: None)
    assert "cannot be reached" in found.failure
    assert found.spent.calls == 2


def test_keys_come_from_the_environment_and_are_not_shown(monkeypatch):
    monkeypatch.setenv("INTERPLAY_API_KEY", "very-secret")
    there = from_environment("http://localhost:1/v1", "m")
    assert there.key == "very-secret"
    assert "very-secret" not in repr(there)
    for wrong in (("ftp://x", "m"), ("http://x", "")):
        with pytest.raises(InputError):
            Endpoint(*wrong)
