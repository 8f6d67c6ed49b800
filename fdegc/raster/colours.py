"""Which bands of a raster are red, green and blue, from what is said of them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from fdegc.raster_info import RasterInfo

_COLORS = ("red", "green", "blue")
#: Colour interpretations of bands nobody has described.
_NOTHING_SAID = {"gray", "undefined"}
#: Wavelengths in nanometres of what people see as red, green and blue: the best ones, and where they end.
_WAVELENGTHS = ((660, 600, 700), (555, 515, 595), (485, 435, 515))
#: Units of a wavelength in a name, or in a tag of its own, in nanometres.
_UNITS = {"nm": 1.0, "nanometer": 1.0, "um": 1e3, "µm": 1e3, "μm": 1e3, "micrometer": 1e3, "micron": 1e3}
_IN_NAME = re.compile(r"(\d+(?:\.\d+)?)\s*(nm|nanomet(?:er|re)s?|[uµμ]m|micromet(?:er|re)s?|microns?)\b")
#: Keys of bands' tags that hold a wavelength, in lower case, and the unit where none is said.
_KEYS = {"central_wavelength_um": "um", "wavelength": "", "center_wavelength": "", "central_wavelength": ""}
#: Names of bands with numbers.
_NUMBERED = re.compile(r"(sr_)?b(\d\d?|8a)(?![\da-z])")
#: Bands 4, 3 and 2 of Sentinel-2 and of Landsat from 8 on; bands 3, 2 and 1 of Landsat 4 to 7.
_LATER, _EARLIER = (4, 3, 2), (3, 2, 1)
#: Products that are known by the number of their bands, where nothing is said of those: Sentinel-2 without
#: and with B10, and the six reflective bands of Landsat, as of harmonised ones, which begin with blue.
_BY_COUNT = {12: (3, 2, 1), 13: (3, 2, 1), 6: (2, 1, 0)}


def default_bands(info: RasterInfo) -> tuple[int, ...]:
    """Bands to show where nobody has chosen.

    Returns
    -------
    tuple of int
        Indices from 0.  Of three and more bands those that are red, green and blue: by their colour
        interpretation, by colours in their names, by wavelengths in names and tags, by the band numbers of
        Sentinel-2 and Landsat in their names, or because so many bands without names are one of their
        products.  Where nothing says which these are, the first three; of 1 or 2 bands the first, as grey.
    """
    if info.bands < 3:
        return (0,)
    return _said_bands(info) or _by_count(info, _names(info)) or (0, 1, 2)


def guess_text(info: RasterInfo) -> str:
    """Words for which bands are taken for red, green and blue, and why, where the file does not say.

    Returns
    -------
    str
        Empty where it does, or where there is nothing to guess: of up to three bands.
    """
    if info.bands < 4 or _said_bands(info) is not None:
        return ""
    found = _by_count(info, _names(info))
    product = (
        "the first three" if found is None else "as in Landsat" if info.bands == 6 else "as in Sentinel-2"
    )
    return f"bands {', '.join(str(band + 1) for band in found or (0, 1, 2))}, {product}: a guess"


def _names(info: RasterInfo) -> list[str]:
    return [(name or "").strip().lower() for name in info.band_names]


def _said_bands(info: RasterInfo) -> tuple[int, ...] | None:
    """Bands that are red, green and blue by what the file says; None if it does not."""
    names = _names(info)
    ways = (
        _three([color if color in _COLORS else None for color in info.color_interpretation]),
        _three([_color_in(name) for name in names]),
        _by_wavelength(info, names),
        _by_number(names),
    )
    return next((found for found in ways if found is not None), None)


def _three(colors: Sequence[str | None]) -> tuple[int, ...] | None:
    """Bands of the three colours, if each is there once."""
    if not all(colors.count(color) == 1 for color in _COLORS):
        return None
    return tuple(colors.index(color) for color in _COLORS)


def _color_in(name: str) -> str | None:
    """Colour that a name says; not red edge, nor the near infrared."""
    if name in ("r", "g", "b"):
        return {"r": "red", "g": "green", "b": "blue"}[name]
    words = re.findall("[a-z]+", name)
    said = [color for color in _COLORS if color in words]
    other = any(word in words for word in ("edge", "infra", "coastal"))
    return said[0] if len(said) == 1 and not other else None


def _by_wavelength(info: RasterInfo, names: Sequence[str]) -> tuple[int, ...] | None:
    """Bands nearest to the three colours."""
    found = {}
    for band in range(info.bands):
        tags = info.band_tags[band] if band < len(info.band_tags) else {}
        length = _wavelength(names[band] if band < len(names) else "", tags)
        if length is not None:
            found[band] = length
    bands = []
    for best, low, high in _WAVELENGTHS:
        away = {band: abs(length - best) for band, length in found.items() if low <= length <= high}
        if not away:
            return None
        bands.append(min(away, key=away.__getitem__))
    return tuple(bands)


def _wavelength(name: str, tags: Mapping[str, str]) -> float | None:
    """Wavelength in nanometres that a band's tags, or its name, say; None for none."""
    said = {key.lower(): value for key, value in tags.items()}
    for key, usual in _KEYS.items():
        try:
            value = float(said[key])
        except (KeyError, ValueError):
            continue
        unit = _unit(said.get("wavelength_units") or said.get("wavelength_unit") or usual)
        # Without a unit, what is below ten cannot be nanometres.
        return value * _UNITS.get(unit, 1e3 if value < 10 else 1.0)
    match = _IN_NAME.search(name)
    return None if match is None else float(match[1]) * _UNITS[_unit(match[2])]


def _unit(text: str) -> str:
    """Unit of length as it is a key."""
    return text.strip().lower().removesuffix("s").replace("metre", "meter")


def _by_number(names: Sequence[str]) -> tuple[int, ...] | None:
    """Bands by the numbers that Sentinel-2 and Landsat products give them."""
    matches = [_NUMBERED.match(name) for name in names]
    said = [("", "") if match is None else (match[1] or "", match[2]) for match in matches]
    landsat = any(prefix for prefix, _ in said)
    # Bands of any aerial picture may be called B1 to B4: a zero, a prefix or B8A tells where these come from.
    if not landsat and not any(number == "8a" or number.startswith("0") for _, number in said):
        return None
    numbers = [number.lstrip("0") for _, number in said]
    earlier = landsat and "6" not in numbers and "7" in numbers
    wanted = [str(number) for number in (_EARLIER if earlier else _LATER)]
    if not all(numbers.count(number) == 1 for number in wanted):
        return None
    return tuple(numbers.index(number) for number in wanted)


def _by_count(info: RasterInfo, names: Sequence[str]) -> tuple[int, ...] | None:
    """Bands of the products that are known by their number of bands of whole numbers, if nothing else is."""
    said = any(names) or bool(set(info.color_interpretation) - _NOTHING_SAID)
    said = said or any(_wavelength("", tags) is not None for tags in info.band_tags)
    if said or not info.dtype.startswith(("uint", "int")):
        return None
    if info.bands > 6 and info.dtype.endswith("8"):
        return None
    return _BY_COUNT.get(info.bands)
