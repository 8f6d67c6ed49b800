"""What the app does, without a window: compress, decode, measure, and a picture to compare.

    python -m fdegc.headless SCENE [FOLDER]

``make run`` comes here where there is no display.  Each step is a command of ``fdegc``, printed
before it runs, so the output doubles as an example.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fdegc import cli
from fdegc.errors import FdegcError
from fdegc.text import bytes_text

if TYPE_CHECKING:
    from fdegc.raster_info import RasterInfo
    from fdegc.types import Samples

RATE = 4
#: Sides above this are shown reduced, so that three of them fit a screen.
MAX_SIDE = 1024
#: By how much the difference is enlarged to be seen.
AMPLIFICATION = 8
_MARGIN = 12
_CAPTION = 30


def side_by_side(
    original: Samples, other: Samples, info: RasterInfo, out: Path, captions: Sequence[str]
) -> None:
    """Side-by-side PNG of original, reconstruction and their amplified difference, written.

    Parameters
    ----------
    original, other : Samples
        Of the same shape.
    info : RasterInfo
        Of the original.
    out : Path
        PNG file; overwritten.
    captions : sequence of str
        One for the original and one for the reconstruction.
    """
    import numpy as np
    from PIL import Image, ImageDraw, ImageFont

    from fdegc.raster import display_limits, to_rgb8

    # Both with the limits of the original, or a shift in brightness would not show.
    limits = None if info.dtype == "uint8" else display_limits(original)
    first, second = (to_rgb8(samples, info, limits)[..., :3] for samples in (original, other))
    difference = np.abs(first.astype(np.int16) - second) * AMPLIFICATION
    panels = [Image.fromarray(array) for array in (first, second, difference.clip(0, 255).astype(np.uint8))]
    for panel in panels:
        panel.thumbnail((MAX_SIDE, MAX_SIDE))
    width, height = panels[0].size
    size = (3 * width + 4 * _MARGIN, height + 2 * _MARGIN + _CAPTION)
    canvas = Image.new("RGB", size, (24, 26, 30))
    draw: Any = ImageDraw.Draw(canvas)
    font = ImageFont.load_default(16)
    texts = (*captions, f"Difference, {AMPLIFICATION} times")
    for number, (panel, text) in enumerate(zip(panels, texts, strict=True)):
        x = _MARGIN + number * (width + _MARGIN)
        draw.text((x, _MARGIN), text, fill=(226, 228, 232), font=font)
        canvas.paste(panel, (x, _MARGIN + _CAPTION))
    canvas.save(out)


def _step(*arguments: str) -> int:
    print(f"\n$ fdegc {' '.join(arguments)}", flush=True)
    return cli.main(arguments)


def run(scene: Path, folder: Path) -> int:
    """Compression, decompression, metrics and picture of a scene; exit code of the first failure, or 0."""
    folder.mkdir(parents=True, exist_ok=True)
    coded, decoded = folder / f"{scene.stem}.fdegc", folder / f"{scene.stem}_decoded.tif"
    picture = folder / f"{scene.stem}_side_by_side.png"
    for arguments in (
        ("compress", str(scene), str(coded), "--rate", str(RATE), "--force"),
        ("decompress", str(coded), str(decoded), "--force"),
        ("metrics", str(scene), str(decoded)),
    ):
        code = _step(*arguments)
        if code != 0:
            return code

    from fdegc.raster import open_raster
    from fdegc.raster_info import Window

    with open_raster(scene, alpha="auto") as source, open_raster(decoded) as result:
        whole = Window(0, 0, source.info.width, source.info.height)
        captions = (
            f"Original, {bytes_text(source.info.raw_bytes)}",
            f"FDEGCNet, rate {RATE}, {bytes_text(coded.stat().st_size)}",
        )
        side_by_side(source.read(whole), result.read(whole), source.info, picture, captions)
    print(f"\nOriginal, reconstruction and difference side by side: {picture}")
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Exit code of the program ``python -m fdegc.headless``."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not 1 <= len(arguments) <= 2:
        print("usage: python -m fdegc.headless SCENE [FOLDER]", file=sys.stderr)
        return 2
    if not sys.warnoptions:
        warnings.simplefilter("ignore")  # libraries' notes to developers, not to users
    try:
        return run(Path(arguments[0]), Path(arguments[1] if len(arguments) == 2 else "out"))
    except FdegcError as error:
        print(f"fdegc: error: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
