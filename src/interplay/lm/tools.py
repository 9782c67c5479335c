"""Tools that a server offers by the Model Context Protocol, as plain functions that a workflow gives to `team.use`.

The server is a program of its own, started by the official SDK, and gets none of this process's keys. Whatever becomes of it is
one counted event of one episode: a call that fails or a server that crashes is a tool that raised, one that does not answer
is a tool that hung; the next call starts the server anew.

Source: Model Context Protocol, https://modelcontextprotocol.io.
"""

import asyncio
import atexit
import shlex
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from interplay.core.errors import InputError

EXTRA = "pip install 'interplay[mcp]'"
STARTING = 30.0  # seconds that a server may take to start and to say what it offers
Tool = Callable[..., str]


def mcp(
    command: str | Sequence[str], *, seconds: float = 10.0, environment: Mapping[str, str] | None = None
) -> "Tools":
    """The tools of the server that `command` starts, by name; each takes its arguments in the order of the tool's schema, or by
    name, and returns the text that the server answers.

    A call that takes longer than `seconds` raises `TimeoutError`; the next starts the server anew, and the old one ends when no
    call is under way on it. `environment` is all that the server gets of this process's, besides PATH, HOME and the like.
    Raises `InputError` where the SDK is missing or the server does not start.

        >>> tools = mcp("python my_server.py")  # doctest: +SKIP
        >>> found = await team.use(tools["search"], "arlo")  # doctest: +SKIP
    """
    words = shlex.split(command) if isinstance(command, str) else [str(word) for word in command]
    if not words:
        raise InputError("there is no command that starts a server: give for example 'python my_server.py'")
    return Tools(words, seconds, dict(environment or {}))


class Tools(Mapping[str, Tool]):
    """The tools of one server by name. It runs until `close`, the end of a `with`, or the end of this process."""

    def __init__(self, command: Sequence[str], seconds: float, environment: Mapping[str, str]):
        try:
            from mcp import StdioServerParameters
        except ModuleNotFoundError as missing:
            raise InputError(f"tools of servers need the package {missing.name}: {EXTRA}") from None
        self._server = StdioServerParameters(command=command[0], args=list(command[1:]), env=dict(environment))
        self._seconds, self._starting = seconds, asyncio.Lock()
        self._line: _Line | None = None
        self._lines: list[_Line] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True, name="mcp")
        self._thread.start()
        atexit.register(self.close)
        try:
            listed = self._wait(self._listed())
        except Exception as wrong:
            self.close()
            raise InputError(f"the server '{shlex.join(command)}' does not start: {_why(wrong)}") from None
        self._tools = {tool.name: self._function(tool) for tool in listed}

    def __getitem__(self, name: str) -> Tool:
        if name not in self._tools:
            raise InputError(f"the server has no tool '{name}': it has {', '.join(self._tools) or 'none'}")
        return self._tools[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._tools)

    def __len__(self) -> int:
        return len(self._tools)

    def __contains__(self, name: object) -> bool:
        return name in self._tools

    def __enter__(self) -> "Tools":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the server. Calls after that raise."""
        if self._loop.is_closed():
            return
        atexit.unregister(self.close)
        self._wait(self._hang_up())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _wait(self, work: Any) -> Any:
        """What a coroutine comes to in the server's own thread."""
        if self._loop.is_closed():
            work.close()
            raise RuntimeError("the server was closed")
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _listed(self) -> list[Any]:
        async with asyncio.timeout(STARTING):
            line = await self._open()
            return (await line.client.list_tools()).tools

    async def _open(self) -> "_Line":
        """The line to a server that runs; a new one where there is none, it broke, or a call on it hung."""
        async with self._starting:
            if self._line is None or self._line.retired or self._line.ended.is_set():
                self._line = _Line(self._server)
                self._lines.append(self._line)
                await self._line.start()
            return self._line

    async def _call(self, name: str, arguments: dict[str, Any]) -> str:
        async with asyncio.timeout(STARTING):
            line = await self._open()
        line.calls += 1
        try:
            async with asyncio.timeout(self._seconds):
                answer = await line.client.call_tool(name, arguments)
        except TimeoutError:
            line.retired = True
            raise TimeoutError(f"{name} took longer than {self._seconds:g} s") from None
        except Exception as wrong:
            line.retired = True
            raise RuntimeError(f"the server failed: {_why(wrong)}") from None
        finally:
            line.calls -= 1
            if line.retired and not line.calls:
                line.stop()
        said = "\n".join(getattr(part, "text", f"({part.type})") for part in answer.content)
        if answer.is_error:
            raise RuntimeError(said)
        return said

    async def _hang_up(self) -> None:
        for line in self._lines:
            line.stop()
        for line in self._lines:
            await line.ended.wait()

    def _function(self, tool: Any) -> Tool:
        names = list(dict(tool.input_schema).get("properties", {}))

        def call(*arguments: Any, **named: Any) -> str:
            if len(arguments) > len(names):
                raise TypeError(f"{tool.name} takes {len(names)} arguments ({', '.join(names)})")
            return self._wait(self._call(tool.name, dict(zip(names, arguments, strict=False)) | named))

        call.__name__, call.__doc__ = tool.name, tool.description
        return call


class _Line:
    """A connection to a server, which lives in a task of its own from start to end; once retired, to its last call's end."""

    def __init__(self, server: Any):
        self.opened: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.enough, self.ended = asyncio.Event(), asyncio.Event()
        self.client: Any = None
        self.calls, self.retired = 0, False
        self._task = asyncio.ensure_future(self._run(server))

    async def start(self) -> None:
        """Wait until the server answers; it is stopped where it does not, or nobody waits any longer."""
        try:
            await asyncio.shield(self.opened)
        except BaseException:
            self.retired = True
            self.stop()
            raise

    def stop(self) -> None:
        """Have the server end; one that is still starting is interrupted once, and then left to its end."""
        if not (self.opened.done() or self.enough.is_set()):
            self._task.cancel()
        self.enough.set()

    async def _run(self, server: Any) -> None:
        from mcp import Client

        try:
            async with Client(server) as self.client:
                self.opened.set_result(None)
                await self.enough.wait()
        except BaseException as wrong:  # also where the SDK cancels: whoever waits for the line is told
            if not self.opened.done():
                self.opened.set_exception(wrong if isinstance(wrong, Exception) else RuntimeError("it was canceled"))
                self.opened.exception()  # looked at, also where nobody waits any longer
        finally:
            self.ended.set()


def _why(wrong: BaseException) -> str:
    """The innermost reason in one line."""
    while isinstance(wrong, BaseExceptionGroup):
        wrong = wrong.exceptions[0]
    return " ".join(str(wrong).split())[:200] or type(wrong).__name__
