"""Talk to local services: by path, by abstract name (which no mount hides), and through pairs and exotic families."""

# ends: returned []
# shows outside
import socket


def connect(address):
    socket.socket(socket.AF_UNIX).connect(address)


def main(bait):
    return worked(
        lambda: connect(bait["socket"]),
        lambda: connect("\0" + bait["abstract"]),
        lambda: socket.socketpair(),
        lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0),
        lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0),
        lambda: socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM),
        lambda: socket.socket(socket.AF_ALG, socket.SOCK_SEQPACKET),
    )
