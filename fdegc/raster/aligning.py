"""Two rasters of the same ground laid over each other: which window of each, and how they differ in place."""

from __future__ import annotations

from dataclasses import dataclass

from affine import Affine

from fdegc.errors import InvalidOption
from fdegc.raster.holding import same_crs
from fdegc.raster_info import RasterInfo, Window

#: Pixels by which grids may be apart that are the same but for rounding.
_ROUNDING = 0.01


@dataclass(frozen=True, slots=True)
class Alignment:
    """Alignment of two rasters.

    Attributes
    ----------
    first, second : Window
        Of equal size, in the pixels of each.
    remarks : tuple of str
        What is different about their places, a sentence each.
    """

    first: Window
    second: Window
    remarks: tuple[str, ...] = ()


def align(first: RasterInfo, second: RasterInfo) -> Alignment:
    """Alignment of two rasters: pixel by pixel if their sizes are the same, else by where they lie.

    Raises
    ------
    InvalidOption
        If their sizes differ and their places do not help: the message says why.
    """
    whole, theirs = (Window(0, 0, info.width, info.height) for info in (first, second))
    if (first.width, first.height) == (second.width, second.height):
        return Alignment(whole, theirs, _remarks(first, second))
    sizes = f"their sizes differ ({first.width}×{first.height} and {second.width}×{second.height} pixels)"
    if first.transform is None or second.transform is None:
        raise _apart(first, second, f"{sizes} and not both have a place on the ground")
    if not same_crs(first.crs_wkt, second.crs_wkt):
        raise _apart(first, second, f"{sizes} and so do their coordinate reference systems")
    shift = _shift(first, second)
    if shift is None:
        raise _apart(first, second, f"{sizes} and their pixels do not lie on one grid; resample one of them")
    x, y = round(shift[0]), round(shift[1])
    common = whole.intersection(Window(x, y, second.width, second.height))
    if common is None:
        raise _apart(first, second, f"{sizes} and they have no ground in common")
    said = (
        f"Compared is the part that both cover: {common.width}×{common.height} pixels at column {common.x}, "
        f"row {common.y} of the original."
    )
    return Alignment(common, common.relative_to(Window(x, y, 1, 1)), (said,))


def _apart(first: RasterInfo, second: RasterInfo, why: str) -> InvalidOption:
    return InvalidOption(f"“{first.path}” and “{second.path}” cannot be compared: {why}.")


def _shift(first: RasterInfo, second: RasterInfo) -> tuple[float, float] | None:
    """Column and row of ``first`` where ``second`` begins; None if they are not on one grid."""
    assert first.transform is not None and second.transform is not None
    own = Affine(*first.transform)
    if own.is_degenerate:
        return None
    a, b, c, d, e, f = tuple(~own @ Affine(*second.transform))[:6]
    width, height = second.width, second.height
    drift = max(abs(a - 1) * width, abs(b) * height, abs(d) * width, abs(e - 1) * height)
    off = max(abs(c - round(c)), abs(f - round(f)))
    return None if drift > _ROUNDING or off > _ROUNDING else (c, f)


def _remarks(first: RasterInfo, second: RasterInfo) -> tuple[str, ...]:
    """What is different about the places of two rasters of equal size."""
    remarks = []
    if (first.crs_wkt is None) != (second.crs_wkt is None):
        remarks.append(f"Only the {_which(first.crs_wkt is not None)} has a coordinate reference system.")
    elif not same_crs(first.crs_wkt, second.crs_wkt):
        remarks.append("Their coordinate reference systems differ.")
    if (first.transform is None) != (second.transform is None):
        remarks.append(f"Only the {_which(first.transform is not None)} has a place on the ground.")
    elif first.transform is not None:
        shift = _shift(first, second)
        if shift is None:
            remarks.append("They lie elsewhere: their transforms differ, and not by whole pixels.")
        elif (round(shift[0]), round(shift[1])) != (0, 0):
            remarks.append(
                f"They lie elsewhere: the other begins at column {shift[0]:.0f}, row {shift[1]:.0f} of the "
                "original. They were compared pixel by pixel all the same."
            )
    if first.white_is_zero != second.white_is_zero:
        remarks.append(f"Only in the {_which(first.white_is_zero)} zero is white.")
    if first.premultiplied != second.premultiplied:
        remarks.append(f"Only in the {_which(first.premultiplied)} colours are multiplied with alpha.")
    return tuple(remarks)


def _which(first: bool) -> str:
    return "original" if first else "other"
