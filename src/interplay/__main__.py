"""`python -m interplay` is the command line, as torchrun starts it: `torchrun --nproc-per-node 2 -m interplay train …`."""

from interplay.cli import main

if __name__ == "__main__":
    main()
