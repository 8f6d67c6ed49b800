"""Metadata of a raster as groups of names and values, to be searched."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from fdegc.raster_info import RasterInfo
from fdegc_gui.text import human_bytes

#: Ground control points that are listed singly.
_POINTS = 200


@dataclass(frozen=True)
class Entry:
    """Entry of a raster's metadata: group, name, value."""

    group: str
    name: str
    value: str

    def matches(self, words: str) -> bool:
        """Whether every word is somewhere in it, in whatever case."""
        text = f"{self.group}\n{self.name}\n{self.value}".casefold()
        return all(word in text for word in words.casefold().split())


def entries_of(info: RasterInfo) -> list[Entry]:
    """Everything that a raster carries besides pixels, size and place, group by group."""
    found = [Entry("Tags", name, value) for name, value in info.tags.items()]
    for band in range(info.bands):
        found += [Entry(f"Band {band + 1}", name, value) for name, value in _band(info, band)]
    if info.alpha_band is not None:
        own = info.alpha_band
        found += [Entry("Alpha band", "Position", str(own.position + 1))]
        found += [Entry("Alpha band", "Name", own.name)] if own.name else []
        found += [Entry("Alpha band", name, value) for name, value in own.tags.items()]
    for domain, items in info.domains.items():
        found += [Entry(domain, name, value) for name, value in items.items()]
    if info.crs_wkt:
        found.append(Entry("Place", "CRS", info.crs_wkt))
    if info.transform is not None:
        found.append(Entry("Place", "Transform", ", ".join(f"{value:.15g}" for value in info.transform)))
    if info.gcp_crs_wkt:
        found.append(Entry("Ground control points", "CRS", info.gcp_crs_wkt))
    for number, point in enumerate(info.gcps[:_POINTS], 1):
        words = f"col {point.col:g}, row {point.row:g}  →  {point.x:.10g}, {point.y:.10g}, {point.z:g}"
        found.append(Entry("Ground control points", point.id or str(number), words))
    if len(info.gcps) > _POINTS:
        found.append(Entry("Ground control points", "…", f"{len(info.gcps) - _POINTS} more"))
    if info.palette:
        found.append(Entry("Colours", "Palette", f"{len(info.palette)} entries"))
    if info.icc:
        found.append(Entry("Colours", "ICC profile", human_bytes(len(info.icc))))
    return found + [Entry("EXIF", name, value) for name, value in _exif(info.exif)]


def _band(info: RasterInfo, band: int) -> Iterator[tuple[str, str]]:
    def known(values: tuple[object, ...]) -> object:
        return values[band] if band < len(values) else None

    if name := known(info.band_names):
        yield "Name", str(name)
    if (color := known(info.color_interpretation)) not in (None, "undefined"):
        yield "Colour", str(color).replace("gray", "grey")
    if (scale := known(info.scales)) not in (None, 1.0):
        yield "Scale", f"{scale:.15g}"
    if offset := known(info.offsets):
        yield "Offset", f"{offset:.15g}"
    if unit := known(info.units):
        yield "Unit", str(unit)
    if (nodata := info.nodata_values[band]) is not None:
        yield "Nodata", f"{nodata:.15g}"
    tags = known(info.band_tags)
    if isinstance(tags, Mapping):
        yield from tags.items()


def _exif(data: bytes | None) -> Iterator[tuple[str, str]]:
    """Tags of EXIF data that Pillow can read; none if it cannot."""
    if not data:
        return
    from PIL import ExifTags, Image

    exif = Image.Exif()
    try:
        exif.load(data)
        tables = (exif, exif.get_ifd(ExifTags.IFD.Exif))
        places = exif.get_ifd(ExifTags.IFD.GPSInfo)
    except (OSError, SyntaxError, ValueError, KeyError, TypeError):
        yield "Data", f"{human_bytes(len(data))} that cannot be read"
        return
    for table in tables:
        for tag, value in table.items():
            if not isinstance(value, Mapping):
                yield ExifTags.TAGS.get(tag, f"0x{tag:04x}"), _words(value)
    for tag, value in places.items():
        yield ExifTags.GPSTAGS.get(tag, f"GPS 0x{tag:04x}"), _words(value)


def _words(value: object) -> str:
    return human_bytes(len(value)) if isinstance(value, bytes) and len(value) > 32 else str(value)
