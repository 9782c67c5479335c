"""Connect to a server that listens on this machine."""

# ends: returned []
# shows outside
import socket


def main(bait):
    return worked(
        lambda: socket.create_connection(("127.0.0.1", bait["port"]), 2),
        lambda: socket.create_connection(("localhost", bait["port"]), 2),
        lambda: socket.create_server(("127.0.0.1", 0)),
    )
