"""What comes back of the rasters in a folder, field by field.

    python benchmarks/fidelity.py FOLDER [--rate 4] [--format geotiff|cog] [--out DIR]

compresses every raster, decompresses it, and compares source and result as ``rio info`` and ``gdalinfo``
show them: a line for each file, and below it the fields that differ.  Values of valid pixels, statistics of
them and the layout of the file are not compared.  Exits 1 if a file cannot be coded, or comes back with other
differences than that a palette with an alpha band has become colours.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from fdegc.codec import Codec
from fdegc.errors import FdegcError
from fdegc.format.info import read_info
from fdegc.options import EncodeOptions
from fdegc.raster import open_raster, open_sink
from fdegc.raster.classes import settle
from fdegc.text import bytes_text, raster_text
from tests.file_differences import file_differences

#: Fields that differ because colours take the place of a palette, or grey that of bits.
_PALETTE = ("number of bands", "sample types", "colour interpretation", "palette", "kind of mask", "nodata")


def examine(codec: Codec, path: Path, folder: Path, options: argparse.Namespace) -> tuple[str, list[str]]:
    """Code one file; the line about it, and the differences."""
    coded, back = folder / f"{path.name}.fdegc", folder / f"{path.stem}-back.tif"
    start = time.perf_counter()
    with open_raster(path, palette="indices") as source:
        asked, _ = settle(source, EncodeOptions(quality=options.rate))
        result = codec.encode(source, coded, asked, overwrite=True)
        info = source.info
    with open_sink(back, read_info(coded).raster, overwrite=True, kind=options.format) as sink:
        codec.decode(coded, sink)
    differences = [str(difference) for difference in file_differences(path, back)]
    differences += [f"not held by {options.format}: {fact}" for fact in sink.unsupported_metadata]
    line = f"{raster_text(info)}; {bytes_text(result.bytes)}; {time.perf_counter() - start:.0f} s"
    return line, differences


def main() -> int:
    """Go through the folder."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rate", type=float, default=4.0)
    parser.add_argument("--format", choices=("geotiff", "cog"), default="geotiff")
    parser.add_argument("--out", type=Path, help="keep the files here")
    options = parser.parse_args()
    codec, failures = Codec(), 0
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.out or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        for path in sorted(options.folder.iterdir()):
            try:
                line, differences = examine(codec, path, folder, options)
            except FdegcError as error:
                print(f"{path.name}: {error}", flush=True)
                failures += 1
                continue
            palette = any(text.startswith("palette:") for text in differences)
            known = [text for text in differences if palette and text.startswith(_PALETTE)]
            verdict = "the same" if not differences else "differs"
            if differences and len(known) == len(differences):
                verdict = "a palette became colours"
            failures += verdict == "differs"
            print(f"{path.name}: {line}: {verdict}", flush=True)
            for text in differences:
                print(f"    {text}", flush=True)
    return int(failures > 0)


if __name__ == "__main__":
    sys.exit(main())
