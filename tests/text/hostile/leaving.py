"""Leave without a word, with a code that says all is well."""
# ends: killed ended without an answer (exit code 0)


def main(bait):
    os._exit(0)
