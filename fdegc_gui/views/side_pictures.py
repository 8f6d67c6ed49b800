"""What a side of the comparison looks like: its picture, what belongs to it, or why there is none."""

from __future__ import annotations

from fdegc_gui.models.comparison import ORIGINAL, Side, unit_of
from fdegc_gui.models.difference import Legend
from fdegc_gui.models.display import short_band_name
from fdegc_gui.models.pyramid import Patch
from fdegc_gui.models.result import Result, State
from fdegc_gui.models.session import Session
from fdegc_gui.views.content import SidePicture

_OVERVIEW = "Overview stored in the file"
_NOT_FINISHED = "Differences are shown as soon as both pictures are finished"


def side_picture(session: Session, side: Side, compress_keys: str) -> SidePicture:
    """Picture of a side.

    Parameters
    ----------
    session : Session
    side : Side
    compress_keys : str
        Keys that compress, for where there is nothing yet.
    """
    scene, key, label = session.scene, session.key_of(side), session.name_of(side)
    clear = session.original is not None and session.original.transparent
    if key == ORIGINAL:
        return SidePicture(
            session.original, label, transparent=clear, backdrop=session.original_backdrop,
            patch=session.patches.get("original"),
        )  # fmt: skip
    result, overview = session.result_of(side), session.overview
    if result is None and overview is not None:
        return SidePicture(overview, _OVERVIEW)
    if result is None:
        stream = scene is not None and scene.stream is not None
        hint = "Queued" if key in session.waiting else f"{compress_keys} compresses {session.way(key).how}"
        return SidePicture(None, label, "" if stream else hint)
    waiting = result.state is State.RUNNING and not result.tiles_done
    begun = "Refining, which takes most of the time…" if result.effort else "Working on the first tile…"
    return SidePicture(
        result.pyramid,
        _OVERVIEW if session.shows_overview and result is session.current else label,
        begun if waiting and overview is None else "",
        clear or result.pyramid.transparent,
        result.backdrop,
        result.damaged,
        _patch_of(result, session.patches.get(session.patch_name(result))),
    )


def difference_picture(session: Session, compress_keys: str) -> SidePicture:
    """Map of differences, or why there is none; parameters as of :func:`side_picture`."""
    difference, hint = session.difference, ""
    if not session.comparable():
        missing = session.current is None and session.result_of(Side.B) is None
        way = session.asked_way.how
        hint = f"{compress_keys} compresses {way}" if missing else _NOT_FINISHED
    clear = session.original is not None and session.original.transparent
    return SidePicture(
        None, "Difference", hint, clear and difference is not None,
        patch=None if difference is None else difference.patch,
    )  # fmt: skip


def difference_legend(session: Session) -> Legend | None:
    """Legend of the map of differences that is seen, in what the scene measures; None if there is none."""
    scene, difference = session.scene, session.difference
    if scene is None or difference is None:
        return None
    style, info = difference.style, scene.info
    bands = tuple(range(info.bands)) if style.band is None else (style.band,)
    scale, unit = (1.0, "") if style.similar else unit_of(info, bands)
    words = "SSIM, 1 is equal" if style.similar else "B − A" if style.signed else "|B − A|"
    if len(bands) > 1:
        words += f", mean of {len(bands)} bands"
    elif info.bands > 1:
        words += f", {short_band_name(info, bands[0])}"
    factor = difference.map.factor
    if factor > 1:
        # Differences are averaged; of SSIM it is the pictures, as it is for every scale of MS-SSIM.
        words += f", {'at' if style.similar else 'mean of'} {factor} × {factor} px"
    if not difference.complete:
        words += ", not all of it yet"
    limit = difference.limit * abs(scale)
    return Legend(style.colors, style.signed, limit, unit, words, style.similar)


def _patch_of(result: Result, patch: Patch | None) -> Patch | None:
    """Patch of a result's picture if it is one of this result, and that is finished."""
    if patch is None or result.state is not State.DONE or patch.key != result.key:
        return None
    return patch
