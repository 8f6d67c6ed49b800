"""Stacks of equal pictures of which a TIFF describes only the first, as ImageJ and tifffile write them."""

from __future__ import annotations

import contextlib
import json
import math
import re
from itertools import pairwise
from pathlib import Path
from xml.sax.saxutils import escape

from fdegc.raster.tiff_tags import (
    COMPRESSION,
    HEIGHT,
    SAMPLES,
    STRIP_COUNTS,
    STRIP_OFFSETS,
    WIDTH,
    Directory,
    first_directory,
)

_UNCOMPRESSED = 1
_IMAGEJ = re.compile(r"^images=(\d+)\s*$", re.MULTILINE)


def stack_size(path: Path, description: str) -> int:
    """Number of equal pictures that lie one after the other in a TIFF of one directory.

    Parameters
    ----------
    path : Path
        A TIFF of one picture, as its directories say.
    description : str
        Its ImageDescription, by which alone the others are known: "ImageJ=…, images=5", or a JSON object
        with a shape and the word that the directories are not all there.

    Returns
    -------
    int
        1 if there are no others, or the file does not hold what is said: texts like these survive in what
        other programs cut out of a stack.
    """
    directory = first_directory(path)
    place = None if directory is None else _place(directory)
    if directory is None or place is None:
        return 1
    count = _said(description, directory)
    start, size = place
    return count if count > 1 and start + count * size <= path.stat().st_size else 1


def _said(description: str, directory: Directory) -> int:
    """How many pictures a description tells of; 1 if it does not."""
    if description.startswith("ImageJ="):
        match = _IMAGEJ.search(description)
        return 1 if match is None else int(match[1])
    with contextlib.suppress(ValueError, TypeError, KeyError, RecursionError):
        told = json.loads(description)
        if told.get("truncated"):
            one = directory.number(WIDTH) * directory.number(HEIGHT) * directory.number(SAMPLES, 1)
            count, rest = divmod(math.prod(int(length) for length in told["shape"]), one)
            return 1 if rest else max(count, 1)
    return 1


def _place(directory: Directory) -> tuple[int, int] | None:
    """Where the pixels of a picture begin and how many bytes they have; None if they are not in one piece."""
    offsets = directory.values.get(STRIP_OFFSETS, ())
    sizes = directory.values.get(STRIP_COUNTS, ())
    pieces = list(zip(offsets, sizes, strict=False))
    whole = all(at + size == following for (at, size), (following, _) in pairwise(pieces))
    if directory.number(COMPRESSION, 1) != _UNCOMPRESSED or not pieces or len(offsets) != len(sizes):
        return None
    size = sum(sizes)
    return (offsets[0], size) if whole and size else None


def composed_file(path: Path, number: int) -> str:
    """File as GDAL's /vsisparse/ takes it that is a stack's, but for its first picture, which is another.

    So all that the directory says holds for each of them.

    Parameters
    ----------
    path : Path
        Of which :func:`stack_size` says that it holds so many.
    number : int
        Of the picture, from 1.
    """
    directory = first_directory(path)
    place = None if directory is None else _place(directory)
    if place is None:
        raise ValueError(f"“{path}” is no stack any more; it has changed.")
    start, size = place
    end = path.stat().st_size
    regions = (
        (0, 0, start),
        (start, start + (number - 1) * size, size),
        (start + size, start + size, end - start - size),
    )
    name = escape(str(path.absolute()))
    text = "".join(
        f'<SubfileRegion><Filename relative="0">{name}</Filename>'
        f"<DestinationOffset>{target}</DestinationOffset><SourceOffset>{source}</SourceOffset>"
        f"<RegionLength>{length}</RegionLength></SubfileRegion>"
        for target, source, length in regions
        if length
    )
    return f"<VSISparseFile><Length>{end}</Length>{text}</VSISparseFile>"
