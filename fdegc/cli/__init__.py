"""The command line ``fdegc``; one file a command, with its options and what it does.

Nothing heavy is imported until a command runs, so ``--help`` and usage errors answer at once.
"""

# Not a module main: here that is the function.
from fdegc.cli.entry import build_parser, main, program

__all__ = ["build_parser", "main", "program"]
