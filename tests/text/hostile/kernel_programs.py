"""Load programs into the kernel, watch it, or stop it."""
# ends: returned []


def main(bait):
    room = ctypes.create_string_buffer(256)
    calls = {"bpf": (321, 280), "perf_event_open": (298, 241), "userfaultfd": (323, 282), "init_module": (175, 105)}
    calls |= {"finit_module": (313, 273), "kexec_load": (246, 104), "reboot": (169, 142), "syslog": (103, 116)}
    calls |= {"acct": (163, 89), "quotactl": (179, 60), "settimeofday": (164, 170), "clock_settime": (227, 112)}
    calls |= {"sethostname": (170, 161), "setdomainname": (171, 162), "adjtimex": (159, 171), "swapoff": (168, 225)}
    calls |= {"fanotify_init": (300, 262), "inotify_init1": (294, 26), "lookup_dcookie": (212, 18), "iopl": (172, 999)}
    calls |= {
        "landlock_create_ruleset": (444, 444),
        "move_pages": (279, 239),
        "mbind": (237, 235),
        "vhangup": (153, 58),
    }
    return worked(*(lambda pair=pair: system(*pair, room, 0, 0, 0, 0) for pair in calls.values()))
