"""Compilation, once, of what every later start only loads.

    python -m fdegc.warm

``make venv`` runs it.  A wheel cannot run anything when it is installed; there the first start that needs
compiled functions makes them, unless this is run before.
"""

from __future__ import annotations

import sys
import time


def main() -> int:
    """Exit code of the program ``python -m fdegc.warm``."""
    start = time.perf_counter()
    import numpy as np

    from fdegc.coding import compiling
    from fdegc.coding.warming import warm_up, warm_up_exact
    from fdegc.metrics import ssim_map

    warm_up()
    warm_up_exact()
    ssim_map(np.zeros((11, 11)), np.zeros((11, 11)))
    seconds, count, folder = time.perf_counter() - start, compiling.compiled_here(), compiling.cache_folder()
    if folder is None:
        print("There is no place where compiled functions could be kept: every start compiles them.")
    elif count:
        print(f"Compiled {count} functions in {seconds:.1f} s; they are kept in {folder}.")
    else:
        print(f"Nothing to compile: everything is in {folder}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
