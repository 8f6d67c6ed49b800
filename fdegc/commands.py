"""The commands of ``fdegc``, by name: each takes arguments and a token to cancel it, and gives a report.

Each command checks what it can before it imports anything heavy, so mistakes are told at once.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping

from fdegc import decoding_commands, encoding_commands, measuring_commands, training_commands
from fdegc.command_parts import Report
from fdegc.control import CancelToken

COMMANDS: Mapping[str, Callable[[argparse.Namespace, CancelToken], Report]] = {
    "compress": encoding_commands.compress,
    "decompress": decoding_commands.decompress,
    "evaluate": measuring_commands.evaluate,
    "info": measuring_commands.info,
    "metrics": measuring_commands.metrics,
    "test": training_commands.test,
    "train": training_commands.train,
    "verify": decoding_commands.verify,
    "weights": training_commands.weights_import,
}
