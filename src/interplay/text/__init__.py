"""Text that learns: candidates are programs or prompts, a trial scores them, and a proposer writes the next."""
