"""Images to evaluate on: folders searched for rasters whose first three bands are 8-bit colour."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fdegc.control import CancelToken
from fdegc.errors import FdegcError, InvalidOption
from fdegc.evaluation.coder import Rgb8Pixels
from fdegc.format import SUFFIX
from fdegc.raster import open_raster
from fdegc.raster_info import Window

#: Files that are not tried: no images, and no mistake of the user's either.
_OTHER = {SUFFIX, ".csv", ".html", ".json", ".md", ".svg", ".txt", ".xml", ".yaml", ".yml"}


@dataclass(frozen=True)
class Image:
    """Image of a set.

    Attributes
    ----------
    set : str
        Name of its set.
    name : str
        Path below the set's folder, with "/".
    path : Path
    width, height : int
        Pixels.
    digest : str
        First 16 digits of the SHA-256 of size and pixels.
    """

    set: str
    name: str
    path: Path
    width: int
    height: int
    digest: str

    @property
    def pixels(self) -> int:
        """Number of pixels."""
        return self.width * self.height


def set_names(folders: Sequence[Path], names: Sequence[str] | None) -> list[str]:
    """Names of the sets: those given, else those of the folders.

    Raises
    ------
    InvalidOption
        If there are too many or too few names, or two are the same.
    """
    if names is None:
        names = [folder.resolve().name or "images" for folder in folders]
    if len(names) != len(folders):
        raise InvalidOption(
            f"--sets must give each folder a name of its own: {len(folders)} in all, not {len(names)}."
        )
    for name in names:
        # The sets together are called "all".
        if not name.strip() or list(names).count(name) > 1 or (name == "all" and len(names) > 1):
            raise InvalidOption(f"“{name}” cannot name one set of several; give each a name with --sets.")
    return list(names)


def images_of_set(
    folder: Path,
    name: str,
    *,
    limit: int | None = None,
    exclude: Path | None = None,
    cancel: CancelToken | None = None,
) -> tuple[list[Image], list[str]]:
    """Images below a folder, in order of their names.

    Parameters
    ----------
    folder : Path
    name : str
        Of the set.
    limit : int, optional
        So many at most, spread evenly over the names: folders often hold one kind of scene after another.
    exclude : Path, optional
        A folder that is not searched, since results are written there.
    cancel : CancelToken, optional

    Returns
    -------
    list of Image
    list of str
        A sentence for each file that was skipped.

    Raises
    ------
    InvalidOption
        If the folder does not exist or holds no image that can be used.
    """
    if not folder.is_dir():
        raise InvalidOption(f"“{folder}” is not a folder; give folders of images.")
    images: list[tuple[int, Image]] = []
    skipped: list[str] = []
    paths = list(_files(folder, exclude))
    for number in _spread(len(paths), limit):
        path = paths[number]
        if limit is not None and len(images) >= limit:
            break
        if cancel is not None:
            cancel.check()
        try:
            pixels = load(path)
        except FdegcError as error:
            skipped.append(str(error))
            continue
        height, width = pixels.shape[:2]
        relative = _printable(path.relative_to(folder).as_posix())
        images.append((number, Image(name, relative, path, width, height, _digest(pixels))))
    if not images:
        why = f" ({skipped[0]})" if skipped else ""
        raise InvalidOption(
            f"There are no 8-bit colour images in “{folder}”{why}; give a folder that has some."
        )
    return [image for _, image in sorted(images, key=lambda pair: pair[0])], skipped


def _spread(count: int, limit: int | None) -> list[int]:
    """Order in which to look at files: `limit` of them spread evenly, then the others in their order."""
    first = [] if limit is None else [k * count // limit for k in range(min(limit, count))]
    return list(dict.fromkeys([*first, *range(count)]))


def load(path: Path) -> Rgb8Pixels:
    """Pixels of the first three bands of a raster of 8-bit samples, shape (height, width, 3).

    Raises
    ------
    UnsupportedRaster
        If the file is no raster.
    InvalidOption
        If it has other samples or fewer bands.
    """
    with open_raster(path) as source:
        info = source.info
        if info.dtype != "uint8" or info.bands < 3:
            bands = "1 band" if info.bands == 1 else f"{info.bands} bands"
            raise InvalidOption(
                f"“{path}” is skipped: it has {bands} of {info.dtype}, and only 8-bit colour can be compared."
            )
        samples = source.read(Window(0, 0, info.width, info.height))
    return np.ascontiguousarray(samples.pixels[:3].transpose(1, 2, 0).astype(np.uint8, copy=False))


def _files(folder: Path, exclude: Path | None) -> Iterator[Path]:
    """Files below a folder, without hidden ones, those that are no images, and those below `exclude`."""
    left_out = None if exclude is None else exclude.resolve()
    found = []
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name[0] != "." and Path(place, name).resolve() != left_out]
        found += [Path(place, name) for name in files if name[0] != "."]
    for path in sorted(found, key=lambda path: path.relative_to(folder).as_posix()):
        if path.suffix.lower() not in _OTHER:
            yield path


def _printable(name: str) -> str:
    """Return a name as a line of a table can hold it: valid UTF-8, without line breaks."""
    text = os.fsencode(name).decode("utf-8", "replace")
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)


def _digest(pixels: Rgb8Pixels) -> str:
    digest = hashlib.sha256(repr(pixels.shape).encode())
    digest.update(pixels.tobytes())
    return digest.hexdigest()[:16]
