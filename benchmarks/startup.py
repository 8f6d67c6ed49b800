"""Measure where the seconds of one small file go, from the start of the process to its end.

    python benchmarks/startup.py [SCENE] [--runs 7] [--threads N] [--checkout FOLDER] [--first] [--json]

compresses the scene (the sample scene if none is given) as ``fdegc compress`` does, in a process of its own
that notes when each part is done, and prints for every part the least wall clock and processor seconds of
all runs.  The total is that of the fastest run of the real command, not a sum.  ``--checkout`` measures the
code of another folder, for a comparison; ``--first`` a first run, which has to compile (one run).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PARTS = (
    "Python",
    "command line",
    "numpy, rasterio, the scene",
    "torch",
    "numba",
    "codec",
    "compiled functions",
    "weights, network",
    "compressing",
    "end of the process",
)
#: Notes clock and processor time after each part; works with checkouts from before there was fdegc.process.
_PROGRAM = """
import time
marks = [(time.monotonic(), time.process_time())]
def done():
    marks.append((time.monotonic(), time.process_time()))
import json, os, sys
from pathlib import Path
scene, out, threads = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]) or None
import fdegc.cli
leaving = None
try:
    from fdegc import process
    leaving = process.QuickExit()
    process.collect_less()
    process.import_less()
except ImportError:
    pass
fdegc.cli.build_parser().parse_args(["compress", str(scene), str(out)])
done()
import fdegc.cli.compress
from fdegc.raster import open_raster
from fdegc.options import EncodeOptions
source = open_raster(scene)
done()
import torch
done()
import numba
done()
from fdegc.codec import Codec
warm_up = lambda: None
try:
    from fdegc.coding.warming import warm_up
except ImportError:
    pass
done()
warm_up()
done()
codec = Codec(threads=threads)
done()
codec.encode(source, out, EncodeOptions(4.0), overwrite=True)
source.close()
done()
print(json.dumps(marks), flush=True)
if leaving is not None:
    leaving.code = 0
"""


def _spent(
    command: list[str], checkout: Path, environment: dict[str, str]
) -> tuple[float, float, float, str]:
    """Run a command; clock when it started and ended, its processor seconds, what it printed."""
    start = time.monotonic()
    with subprocess.Popen(
        command, cwd=checkout, env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        text = process.stdout.read()
        # Not process.wait(), which would not tell what the process used.
        _, status, usage = os.wait4(process.pid, 0)
        end = time.monotonic()
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{command[:3]} failed with exit code {process.returncode}")
    return start, end, usage.ru_utime + usage.ru_stime, text


def measure(
    scene: Path, checkout: Path, threads: int | None, runs: int, cache: Path | None
) -> dict[str, tuple[float, float]]:
    """Least wall clock and processor seconds of every part, and of the real command.

    Parameters
    ----------
    scene, checkout : Path
    threads : int or None
    runs : int
    cache : Path or None
        Folder for compiled functions instead of the usual one.
    """
    environment = {**os.environ, "PYTHONPATH": str(checkout)}
    if cache is not None:
        environment["NUMBA_CACHE_DIR"] = str(cache)
    found: dict[str, list[tuple[float, float]]] = {}
    with tempfile.TemporaryDirectory(prefix="fdegc-") as folder:
        out = str(Path(folder) / "out.fdegc")
        noted = [sys.executable, "-c", _PROGRAM, str(scene), out, str(threads or 0)]
        real = [sys.executable, "-m", "fdegc", "compress", str(scene), out, "--force"]
        real += ["--threads", str(threads)] if threads else []
        for _ in range(runs):
            start, end, used, text = _spent(noted, checkout, environment)
            marks = [(start, 0.0), *map(tuple, json.loads(text.splitlines()[-1])), (end, used)]
            for name, before, after in zip(PARTS, marks[:-1], marks[1:], strict=True):
                found.setdefault(name, []).append((after[0] - before[0], after[1] - before[1]))
            if cache is None:
                start, end, used, _text = _spent(real, checkout, environment)
                found.setdefault("fdegc compress", []).append((end - start, used))
            else:
                found.setdefault("all", []).append((marks[-1][0] - marks[0][0], used))
    return {
        name: (min(wall for wall, _ in times), min(cpu for _, cpu in times)) for name, times in found.items()
    }


def main() -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description="Where the seconds of one small file go.")
    parser.add_argument("scene", nargs="?", type=Path, default=ROOT / "resources" / "sample_scene.tif")
    parser.add_argument("--runs", type=int, default=7, metavar="N")
    parser.add_argument("--threads", type=int, metavar="N")
    parser.add_argument("--checkout", type=Path, default=ROOT, metavar="FOLDER")
    parser.add_argument("--first", action="store_true", help="with nothing compiled yet")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    scene, checkout = args.scene.resolve(), args.checkout.resolve()
    if args.first:
        with tempfile.TemporaryDirectory(prefix="fdegc-") as folder:
            found = measure(scene, checkout, args.threads, 1, Path(folder))
    else:
        found = measure(scene, checkout, args.threads, args.runs, None)
    if args.json:
        print(json.dumps(found))
        return 0
    print("| part | wall s | processor s |\n|---|---|---|")
    for name, (wall, cpu) in found.items():
        print(f"| {name} | {wall:.2f} | {cpu:.2f} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
