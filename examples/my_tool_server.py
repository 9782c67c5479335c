"""A server of tools by the Model Context Protocol: a program of its own, in any language, started by whoever uses it."""

from mcp.server.mcpserver import MCPServer

SHELVES = {"north": {"arlo": "iron", "cosmo": "salt"}, "south": {"bela": "wool", "dora": "silk"}}
server = MCPServer("shelves")


@server.tool()
def look(shelf: str, name: str) -> str:
    """What stands under a name on a shelf."""
    return SHELVES.get(shelf, {}).get(name, "nothing")


if __name__ == "__main__":
    server.run()
