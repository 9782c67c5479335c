"""Make a 32-bit system call, whose numbers mean other calls than those on the list (x86-64)."""

# ends: killed SIGSYS
# only: x86_64
import mmap


def main(bait):
    page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    page.write(b"\xb8\x14\x00\x00\x00\xcd\x80\xc3")  # mov eax, 20 (getpid there, writev here); int 0x80; ret
    return ctypes.CFUNCTYPE(ctypes.c_long)(ctypes.addressof(ctypes.c_char.from_buffer(page)))()
