"""Send on every number that might be an open socket, the channel's included, with a file attached."""

# ends: returned []
import socket


def send(number):
    end = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, 0, fileno=number)
    try:
        return end.send(b"0")
    finally:
        end.detach()  # or the channel would be closed with it


def main(bait):
    ways = []
    for number in range(64):
        ways += [
            lambda number=number: system(44, 206, number, ctypes.create_string_buffer(b"0"), 1, 0, 0, 0),  # sendto
            lambda number=number: system(46, 211, number, ctypes.create_string_buffer(64), 0),  # sendmsg
            lambda number=number: system(47, 212, number, ctypes.create_string_buffer(64), 0),  # recvmsg
            lambda number=number: system(48, 210, number, 2),  # shutdown
            lambda number=number: send(number),
        ]
    return worked(*ways)
