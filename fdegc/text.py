"""Values in words for people, in the command line and the app alike, and as JSON values for programs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fdegc.options import METRIC_FIGURES, METRIC_LABELS

if TYPE_CHECKING:
    from pathlib import Path

    from fdegc.raster_info import RasterInfo, Window
    from fdegc.results import DecodeResult, ErrorFigures, MetricSet, StreamInfo
    from fdegc.types import BandMapping


def bytes_text(count: float) -> str:
    """Text of a size in three digits, SI units: ``300 bytes``, ``1.24 MB``."""
    units = ["bytes", "kB", "MB", "GB", "TB"]
    while count >= 999.5 and len(units) > 1:
        count /= 1000
        del units[0]
    return f"{count:.0f} {units[0]}" if units[0] == "bytes" or count >= 100 else f"{count:.3g} {units[0]}"


def seconds_text(value: float) -> str:
    """Text of a duration: ``0.42 s``, ``12.3 s``, ``3 min 20 s``, ``2 h 5 min``."""
    if value < 60:
        return f"{value:.3g} s"
    minutes, rest = divmod(round(value), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def decibels_text(value: float) -> str:
    """Text of a level in decibels; ``lossless`` for infinity."""
    return "lossless" if math.isinf(value) else f"{value:.2f} dB"


#: How the ways of coding a tile are worded, after a number of tiles.
_WAYS = {
    "network": "by the network",
    "empty": "empty",
    "jpeg2000": "as JPEG 2000",
    "exact": "exactly",
    "classes": "as classes",
    "unknown": "in a way unknown here",
}


def ways_text(ways: Mapping[str, int]) -> str:
    """Text of how many tiles were coded in which way."""
    if len(ways) == 1:
        (name,) = ways
        return f"all {_WAYS[name]}"
    return ", ".join(f"{count} {_WAYS[name]}" for name, count in ways.items())


def exactness_text(bound: float | None) -> str | None:
    """Text of the largest error that a file promises; None if it promises none."""
    if bound is None:
        return None
    return "lossless" if bound == 0 else f"no sample is off by more than {bound:g}"


def fidelity_text(stream: StreamInfo) -> str | None:
    """Text of a file's PSNR and that of its worst tile, as far as its index says; None if it does not."""
    if stream.psnr is None or stream.worst is None:
        return None
    if math.isinf(stream.worst) or stream.tiles == 1:
        return _about(stream.psnr)
    return f"{_about(stream.psnr)}, the worst tile {_about(stream.worst)}"


def _about(psnr: float) -> str:
    if math.isinf(psnr):
        return "lossless"
    # Files hold no more than 254 thirds of a decibel.
    return f"about {psnr:.1f} dB" if psnr < 84.5 else "84 dB or more"


def finite(value: float | None) -> float | None:
    """Value as it is, or None where JSON has no name for it."""
    return value if value is not None and math.isfinite(value) else None


def quality_text(quality: float) -> str:
    """Text of a quality, as rate point if it is one."""
    return f"rate {quality:.0f}" if float(quality).is_integer() else f"{quality:.4g}"


def size_text(size: int, bpp: float, ratio: float) -> str:
    """Text of a file's size: bytes, bits per pixel and ratio."""
    return f"{bytes_text(size)}, {bpp:.3f} bpp, {ratio:.1f} : 1"


def raster_text(raster: RasterInfo) -> str:
    """Text of a raster: size, bands and type in one line."""
    bands = "1 band" if raster.bands == 1 else f"{raster.bands} bands"
    alpha = " and alpha" if raster.has_alpha else ""
    return f"{raster.width}×{raster.height}, {bands}{alpha}, {raster.dtype}"


def palette_text(raster: RasterInfo) -> str | None:
    """Text of a raster's palette; None if it has none."""
    if not raster.palette:
        return None
    clear = sum(entry[3] < 255 for entry in raster.palette)
    return f"{len(raster.palette)} colours" + (f", {clear} of them transparent" if clear else "")


def raster_facts(raster: RasterInfo) -> dict[str, str | None]:
    """Label → text of everything worth reading about a raster."""
    crs = None
    if raster.crs_wkt is not None:
        crs = raster.crs_wkt.split('"')[1] if '"' in raster.crs_wkt else raster.crs_wkt
    transform = None
    if raster.transform is not None:
        a, b, c, d, e, f = raster.transform
        transform = f"origin ({c:.10g}, {f:.10g}), pixel {math.hypot(a, d):.6g}×{math.hypot(b, e):.6g}"
    names = [name for name in raster.band_names if name]
    return {
        "Format": raster.format,
        "Scene": raster_text(raster),
        "Bands": ", ".join(names) or None,
        "Palette": palette_text(raster),
        "Units": _units_text(raster),
        "CRS": crs,
        "Placed": transform or _points_text(raster),
        "Nodata": _nodata_text(raster),
        "Also": ", ".join(_further(raster)) or None,
        "Raw": bytes_text(raster.raw_bytes),
    }


def _nodata_text(raster: RasterInfo) -> str | None:
    values = ["none" if value is None else f"{value:g}" for value in raster.band_nodata]
    if values:
        return ", ".join(values)
    return None if raster.nodata is None else f"{raster.nodata:g}"


def _units_text(raster: RasterInfo) -> str | None:
    """Return what a sample stands for: units, scales and offsets, told once if all bands agree."""
    texts = []
    for band in range(raster.bands):
        unit = raster.units[band] if raster.units else None
        scale = raster.scales[band] if raster.scales else 1.0
        offset = raster.offsets[band] if raster.offsets else 0.0
        formula = "" if (scale, offset) == (1.0, 0.0) else f"sample × {scale:g} {offset:+g}"
        texts.append(" ".join(part for part in (formula, unit or "") if part) or "–")
    if set(texts) == {"–"}:
        return None
    return texts[0] if len(set(texts)) == 1 else "; ".join(texts)


def _points_text(raster: RasterInfo) -> str | None:
    count = len(raster.gcps)
    return f"by {count} ground control point{'s' if count > 1 else ''}" if count else None


def _further(raster: RasterInfo) -> list[str]:
    """Name what else is kept."""
    names = {"RPC": "RPCs", "xml:XMP": "XMP"}
    names |= {
        name: f"coordinate epoch {items.get(name)}"
        for name, items in raster.domains.items()
        if name == "COORDINATE_EPOCH"
    }
    found = [names.get(name, name) for name in raster.domains if name != "IMAGE_STRUCTURE"]
    found += ["colour profile"] if raster.icc else []
    found += ["EXIF"] if raster.exif else []
    return found


def raster_data(raster: RasterInfo, *, full: bool = False) -> dict[str, Any]:
    """JSON values of a raster; ``full`` with all its metadata."""
    data: dict[str, Any] = {
        "width": raster.width,
        "height": raster.height,
        "bands": raster.bands,
        "dtype": raster.dtype,
        "raw_bytes": raster.raw_bytes,
    }
    if full:
        data |= {
            "format": raster.format,
            "band_names": list(raster.band_names),
            "color_interpretation": list(raster.color_interpretation),
            "crs_wkt": raster.crs_wkt,
            "transform": None if raster.transform is None else list(raster.transform),
            "nodata": None if raster.nodata is None else finite(raster.nodata),
            "nodata_is_nan": raster.nodata is not None and math.isnan(raster.nodata),
            "has_alpha": raster.has_alpha,
            "has_mask": raster.has_mask,
            "has_band_masks": raster.has_band_masks,
            "tags": dict(raster.tags),
            "band_nodata": [finite(value) for value in raster.band_nodata],
            "scales": list(raster.scales),
            "offsets": list(raster.offsets),
            "units": list(raster.units),
            "band_tags": [dict(tags) for tags in raster.band_tags],
            "domains": {name: dict(items) for name, items in raster.domains.items()},
            "gcps": [[p.row, p.col, p.x, p.y, p.z, p.id, p.info] for p in raster.gcps],
            "gcp_crs_wkt": raster.gcp_crs_wkt,
            "alpha_position": None if raster.alpha_band is None else raster.alpha_band.position,
            "icc_bytes": len(raster.icc or b""),
            "exif_bytes": len(raster.exif or b""),
            "palette": [list(entry) for entry in raster.palette],
        }
    return data


def window_data(window: Window) -> dict[str, int]:
    """JSON values of a window."""
    return {"x": window.x, "y": window.y, "width": window.width, "height": window.height}


def damage_text(source: Path, output: Path, result: DecodeResult) -> str | None:
    """Damage of a file that was decoded, and what follows for the output; None if there is none."""
    damaged, lost = result.damaged, result.info.lost
    problems = []
    if damaged:
        places = "; ".join(f"{w.width}×{w.height} at column {w.x}, row {w.y}" for w in damaged)
        parts = "1 part of it is" if len(damaged) == 1 else f"{len(damaged)} parts of it are"
        problems.append(
            f"“{source}” is damaged: {parts} filled, not decoded ({places}), and {result.info.halo} pixels "
            "around are inexact. The rest was written."
        )
    if lost:
        problems.append(
            f"The metadata of “{source}” is damaged; “{output}” lacks: {', '.join(lost)}. "
            "Copy the file again from where it came, if you can."
        )
    return " ".join(problems) or None


def metric_facts(result: MetricSet) -> dict[str, str]:
    """Label → text of metrics, with the reason where one is missing."""
    facts: dict[str, str] = {}
    for name in METRIC_FIGURES:
        label = METRIC_LABELS[name.removesuffix("_db")]
        value = getattr(result, name)
        if value is not None:
            text = decibels_text(value) if name in ("psnr", "ms_ssim_db") else f"{value:.4f}"
            facts[label] = f"{facts[label]} ({text})" if label in facts else text
        elif label not in facts:
            facts[label] = f"– {result.notes.get(name, '')}".rstrip()
    return facts


def error_facts(errors: ErrorFigures | None) -> dict[str, str | None]:
    """Label → text of errors in sample units."""
    if errors is None:
        return {}
    facts: dict[str, str | None] = {"PSNR": decibels_text(errors.psnr)}
    if errors.psnr_dtype is not None and errors.psnr_dtype != errors.psnr:
        facts["PSNR"] = f"{facts['PSNR']} ({errors.psnr_dtype:.2f} dB of the whole range of the type)"
    facts["Errors"] = (
        f"at most {errors.max_error:.6g}, RMSE {errors.rmse:.4g}, on average {errors.mean_error:+.3g}"
    )
    facts["Spectral angle"] = None if errors.sam is None else f"{errors.sam:.3f}°"
    return facts


def error_data(errors: ErrorFigures | None) -> dict[str, Any]:
    """JSON values of errors; all None if there are none."""
    names = ("psnr", "psnr_dtype", "max_error", "rmse", "mean_error")
    if errors is None:
        return dict.fromkeys((*names, "sam", "per_band"))
    bands = [
        None if band is None else {name: finite(getattr(band, name)) for name in names}
        for band in errors.bands
    ]
    values = {name: finite(getattr(errors, name)) for name in names}
    return {**values, "sam": errors.sam, "per_band": bands}


def spread_data(errors: ErrorFigures | None, spread: Sequence[tuple[float, float]] | None) -> dict[str, Any]:
    """JSON values of errors against the range that holds most samples, which outliers do not widen.

    Parameters
    ----------
    errors : ErrorFigures or None
    spread : sequence of (float, float), or None
        1st and 99th percentile of each band; PSNR and relative RMSE are against the widest.
    """
    widths = [high - low for low, high in spread or () if high > low]
    found: dict[str, Any] = {"spread": None, "psnr_spread": None, "rmse_relative": None}
    if spread is not None:
        found["spread"] = [[finite(low), finite(high)] for low, high in spread]
    if errors is not None and widths:
        relative = errors.rmse / max(widths)
        found["rmse_relative"] = finite(relative)
        found["psnr_spread"] = finite(-20 * math.log10(relative)) if relative > 0 else None
    return found


def spread_facts(
    errors: ErrorFigures | None, spread: Sequence[tuple[float, float]] | None
) -> dict[str, str | None]:
    """Label → text of errors against the range that holds most samples, as of :func:`spread_data`."""
    found = spread_data(errors, spread)
    if found["psnr_spread"] is None:
        return {}
    level, percent = f"{found['psnr_spread']:.2f} dB", f"{100 * found['rmse_relative']:.2g} %"
    return {"Of the spread": f"PSNR {level}, RMSE {percent} of the range of 98 % of the samples"}


def ranges_data(mapping: Sequence[BandMapping]) -> list[list[float]]:
    """Smallest and largest value that is coded, of every band."""
    return [[band.offset, band.offset + band.scale] for band in mapping]


def ranges_text(mapping: Sequence[BandMapping]) -> str:
    """Text of the range of values that is coded: of all bands, or of each where they differ."""
    texts = [f"{low:.6g} to {high:.6g}" for low, high in ranges_data(mapping)]
    return texts[0] if len(set(texts)) == 1 else ", ".join(texts)
