"""A real local server of tools, by the official SDK: its functions work, and hangs, errors and crashes are counted events."""

import sys
import time

import pytest

pytest.importorskip("mcp")

from interplay.core.errors import InputError
from interplay.lm.play import Seat, play
from interplay.lm.scene import Scene
from interplay.lm.scripted import Scripted, always
from interplay.lm.tools import mcp
from interplay.lm.words import Wordless

SERVER = """
import os, time
from mcp.server.mcpserver import MCPServer

server = MCPServer("shelf")
books = {"arlo": "iron"}

@server.tool()
def look(name: str, otherwise: str = "nothing") -> str:
    "What stands there."
    return books.get(name, otherwise)

@server.tool()
def fail(name: str) -> str:
    raise ValueError(f"no {name} here")

@server.tool()
def sleep(seconds: float) -> str:
    time.sleep(seconds)
    return "awake"

@server.tool()
def crash() -> str:
    os._exit(3)

@server.tool()
def key() -> str:
    return os.environ.get("OPENAI_API_KEY", "none")

server.run()
"""


@pytest.fixture(scope="module")
def tools(tmp_path_factory):
    path = tmp_path_factory.mktemp("server") / "server.py"
    path.write_text(SERVER)
    with mcp([sys.executable, str(path)], seconds=3.0) as found:
        yield found


def test_tools_are_functions_by_name(tools, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    assert set(tools) == {"look", "fail", "sleep", "crash", "key"} and len(tools) == 5 and "look" in tools
    assert tools["look"]("arlo") == "iron" and tools["look"]("bela", "dust") == tools["look"](
        name="bela", otherwise="dust"
    )
    assert tools["look"].__doc__ == "What stands there." and tools["key"]() == "none"
    with pytest.raises(InputError, match="the server has no tool 'loop': it has look"):
        tools["loop"]
    with pytest.raises(TypeError, match=r"look takes 2 arguments \(name, otherwise\)"):
        tools["look"](1, 2, 3)


def test_what_goes_wrong_is_counted_and_the_talk_goes_on(tools):
    async def workflow(team, tool):
        name, *arguments = tool
        first = await team.use(tools[name], *arguments, seconds=1.0 if name == "sleep" else 20.0)
        again = await team.use(tools["look"], "arlo", seconds=20.0)
        await team.say("reader", first, again)
        return float(again.text == "iron")

    scene = Scene("tools", ("reader",), workflow, lambda random: None)
    seats = {"reader": Seat(Scripted(Wordless(), always("yes")), trained=False)}
    for task, event, words in (
        (("look", "bela"), None, "nothing"),
        (("fail", "bela"), "tool_errors", "Error executing tool fail"),
        (("crash",), "tool_errors", "error: the server failed"),
        (("sleep", 60.0), "tool_hangs", "no answer within 1 seconds"),
    ):
        (one,) = play(scene, seats, [task], (0,))
        assert words in one.messages[0].text, one.messages
        assert one.outcome == 1.0, one.messages
        assert {name: count for name, count in one.events.items() if name.startswith("tool_")} == (
            {event: 1} if event else {}
        )


def test_a_call_that_hangs_ends_the_server_and_the_next_starts_it_anew(tools):
    began = time.monotonic()
    with pytest.raises(TimeoutError, match=r"sleep took longer than 3 s"):
        tools["sleep"](60.0)
    assert time.monotonic() - began < 30 and tools["look"]("arlo") == "iron"
    tools.close()
    with pytest.raises(RuntimeError, match="the server was closed"):
        tools["look"]("arlo")


SILENT = [sys.executable, "-c", "import sys; sys.stdin.read()"]


@pytest.mark.parametrize("command", ["no-such-program", f"{sys.executable} -c pass", "", SILENT])
def test_a_server_that_does_not_start_is_one_line(command, monkeypatch):
    monkeypatch.setattr("interplay.lm.tools.STARTING", 2.0)
    with pytest.raises(InputError, match=r"does not start|there is no command"):
        mcp(command)
