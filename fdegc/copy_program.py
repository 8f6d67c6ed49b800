"""Program that makes a raster file of another one with GDAL, in a process that can be ended at any time.

``python -m fdegc.copy_program`` reads what to do from standard input, a JSON object with the arguments of
:func:`rasterio.shutil.copy` and the settings of GDAL; what goes wrong is its last line of standard error.
Nothing interrupts GDAL from within: a JPEG 2000 of 36 megapixels takes it half a minute.
"""

from __future__ import annotations

import json
import sys
import warnings


def main() -> int:
    """Copy as standard input says; the exit status, 1 if it cannot be made."""
    import rasterio.shutil
    from rasterio._err import CPLE_BaseError
    from rasterio.errors import RasterioError

    asked = json.load(sys.stdin)
    warnings.simplefilter("ignore")
    try:
        with rasterio.Env(**asked["environment"]):
            rasterio.shutil.copy(asked["source"], asked["target"], driver=asked["driver"], **asked["options"])
    except (RasterioError, OSError, ValueError, RuntimeError, CPLE_BaseError) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
