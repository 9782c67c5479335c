"""The filters, run line by line as the kernel runs them, for both architectures."""

import re
import struct
from pathlib import Path

import pytest

from interplay.core.errors import InputError
from interplay.text import seccomp

ALLOW, PERMITTED_NOT, THERE_NOT, KILL = 0x7FFF0000, 0x00050001, 0x00050026, 0x80000000
FORBIDDEN = """socket connect bind sendmsg kill tkill tgkill ptrace mount umount2 unshare setns bpf keyctl add_key
    io_uring_setup execve execveat clone setuid setgid prctl seccomp memfd_create process_vm_readv shmget unlinkat mkdirat
    symlinkat linkat renameat2 chroot pivot_root open_by_handle_at openat2 setrlimit pipe2 userfaultfd perf_event_open
    personality truncate ftruncate fchmod fchmodat sendfile splice pwrite64 mknodat recvmsg sendto pidfd_open wait4"""


def run(program: bytes, number: int, arguments: tuple[int, ...] = (), audit: int | None = None) -> int:
    """What a filter answers to a call: an interpreter of the few operations that classic BPF has here."""
    words = [*arguments, *[0] * (6 - len(arguments))]
    data = struct.pack("<IIQ6Q", number, audit or 0, 0, *words)
    lines = [struct.unpack_from("=HBBI", program, place) for place in range(0, len(program), 8)]
    place, held = 0, 0
    while True:
        operation, true, false, operand = lines[place]
        place += 1
        if operation == 0x20:
            held = struct.unpack_from("<I", data, operand)[0]
        elif operation == 0x54:
            held &= operand
        elif operation == 0x15:
            place += true if held == operand else false
        elif operation == 0x35:
            place += true if held >= operand else false
        else:
            assert operation == 0x06
            return operand


@pytest.fixture(params=["x86_64", "aarch64"])
def machine(request):
    """An architecture, the number that the kernel gives it, and a filter's answer by the name of a call."""
    name = request.param
    column = seccomp.ARCHITECTURES.index(name)

    def answer(allowed, call, *arguments):
        number = seccomp.NUMBERS[call][column]
        return None if number is None else run(seccomp.program(allowed, name), number, arguments, seccomp.AUDIT[name])

    return name, seccomp.AUDIT[name], answer


def headers(name: str) -> dict[str, int]:
    """Names and numbers of all calls, from the kernel's headers."""
    path = {"x86_64": "x86_64-linux-gnu/asm/unistd_64.h", "aarch64": "asm-generic/unistd.h"}[name]
    file = Path("/usr/include", path)
    if not file.exists():
        pytest.skip("the kernel's headers are not installed")
    found = dict(re.findall(r"#define __NR(?:3264)?_(\w+)\s+(\d+)", file.read_text()))
    return {{"fstatat": "newfstatat"}.get(call, call): int(number) for call, number in found.items()}


def test_numbers_are_the_kernels(machine):
    known, column = headers(machine[0]), seccomp.ARCHITECTURES.index(machine[0])
    assert {call: both[column] for call, both in seccomp.NUMBERS.items()} == {
        call: known.get(call) for call in seccomp.NUMBERS
    }


def test_only_what_is_named_is_allowed(machine):
    name, audit, _ = machine
    column = seccomp.ARCHITECTURES.index(name)
    named = {seccomp.NUMBERS[call][column] for call in seccomp.COMPUTE.keys() - {"ioctl"}}  # zeros are not for ioctl
    program = seccomp.program(seccomp.COMPUTE, name)
    passing = {number for number in range(600) if run(program, number, (), audit) == ALLOW}
    assert passing == named - {None}
    assert {number for number in range(600) if run(program, number, (), audit) == THERE_NOT} == {435}


def test_dangerous_calls_are_forbidden_by_name(machine):
    known = headers(machine[0])
    program = seccomp.program(seccomp.COMPUTE, machine[0])
    assert [call for call in FORBIDDEN.split() if run(program, known[call], (), machine[1]) != PERMITTED_NOT] == []


def test_files_are_opened_for_reading_only(machine):
    _, _, answer = machine
    assert answer(seccomp.COMPUTE, "openat", 0, 0, 0o2000000) == ALLOW  # O_CLOEXEC
    for flag in (1, 2, 0o100, 0o1000, 0o102, 0o20000000 | 2):
        assert answer(seccomp.COMPUTE, "openat", 0, 0, flag) == PERMITTED_NOT
        assert answer(seccomp.COMPUTE, "open", 0, flag) in (PERMITTED_NOT, None)


def test_limits_are_asked_for_but_not_set(machine):
    _, _, answer = machine
    assert answer(seccomp.COMPUTE, "prlimit64", 0, 7, 0, 0x7FFF0000) == ALLOW
    assert answer(seccomp.COMPUTE, "prlimit64", 0, 7, 0x7FFF0000, 0) == PERMITTED_NOT
    assert answer(seccomp.COMPUTE, "prlimit64", 0, 7, 0x7FFF << 32, 0) == PERMITTED_NOT


def test_open_files_cannot_be_made_to_send_signals(machine):
    _, _, answer = machine
    assert [command for command in range(1100) if answer(seccomp.COMPUTE, "fcntl", 3, command) == ALLOW] == [
        0,
        1,
        2,
        3,
        1030,
    ]
    assert answer(seccomp.COMPUTE, "ioctl", 0, 0x5401) == ALLOW
    assert {answer(seccomp.COMPUTE, "ioctl", 0, command) for command in (0x5412, 0x8901, 0x5410)} == {PERMITTED_NOT}


def test_a_fork_is_plain(machine):
    _, _, answer = machine
    assert answer(seccomp.START, "clone", 0x01200011) == ALLOW
    for flag in (
        0x10000000,
        0x00020000,
        0x40000000,
        0x00010F00,
        0x80,
        0x8000,
    ):  # user, mount, network; thread; time; parent
        assert answer(seccomp.START, "clone", 0x01200011 | flag) == PERMITTED_NOT
    assert answer(seccomp.START, "clone3") == THERE_NOT  # so that libc falls back on what can be checked
    assert answer(seccomp.COMPUTE, "clone", 0x01200011) == PERMITTED_NOT


def test_another_numbering_ends_the_process(machine):
    name, audit, _ = machine
    program = seccomp.program(seccomp.COMPUTE, name)
    for other in {*seccomp.AUDIT.values(), 0x40000003, 0x40000028} - {audit}:  # 32-bit x86 and Arm
        assert run(program, 0, (), other) == KILL
    assert run(program, 0x40000000, (), audit) == KILL


def test_what_may_start_may_also_compute():
    assert seccomp.COMPUTE.keys() < seccomp.START.keys() <= seccomp.NUMBERS.keys()


def test_other_machines_are_refused(monkeypatch):
    monkeypatch.setattr(seccomp.platform, "machine", lambda: "AMD64")
    assert seccomp.machine() == "x86_64"
    monkeypatch.setattr(seccomp.platform, "machine", lambda: "mips")
    with pytest.raises(InputError, match="run it on such a machine"):
        seccomp.machine()
