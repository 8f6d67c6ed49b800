"""Place as people write it: a pixel, map coordinates, or latitude and longitude in any common notation."""

from __future__ import annotations

import enum
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

_NUMBER = r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)"
_PIXEL = re.compile(
    rf"\b(?P<first>col(?:umn)?|row|line|x|y)\b[\s:=]*(?P<one>{_NUMBER})[\s,;]*"
    rf"\b(?P<second>col(?:umn)?|row|line|x|y)\b[\s:=]*(?P<two>{_NUMBER})"
)
_ISO_6709 = re.compile(r"^([+-]\d+(?:\.\d+)?)([+-]\d+(?:\.\d+)?)/?$")
_WEB = re.compile(rf"(?:@|geo:|[?&](?:q|ll|query)=)({_NUMBER}),\s*({_NUMBER})")
_TOKEN = re.compile(
    rf"(?P<number>{_NUMBER})|(?P<axis>latitude|longitude|lat|long?|[nsew])(?![a-z])|(?P<unit>[°'\":])"
    r"|(?P<comma>[,;])|(?P<space>[\s=]+)|(?P<rest>.)"
)
#: How else people, word processors and web pages write what is plain here.
_PLAIN = str.maketrans(
    {
        "−": "-", "–": "-", "′": "'", "’": "'", "‘": "'", "´": "'", "″": '"', "”": '"', "“": '"',
        "º": "°", "˚": "°", "\u00a0": " ", "\u202f": " ", "(": " ", ")": " ", "[": " ", "]": " ",
    }
)  # fmt: skip
_LATITUDE, _LONGITUDE = (
    frozenset(("n", "s", "lat", "latitude")),
    frozenset(("e", "w", "lon", "long", "longitude")),
)


class PlaceKind(enum.Enum):
    """Kind of coordinates."""

    PIXEL = enum.auto()
    MAP = enum.auto()
    DEGREES = enum.auto()


@dataclass(frozen=True)
class Place:
    """Place in one kind of coordinates.

    Attributes
    ----------
    kind : PlaceKind
    x, y : float
        Column and row, map coordinates, or longitude and latitude in degrees.
    """

    kind: PlaceKind
    x: float
    y: float


@dataclass(frozen=True)
class FoundPlace:
    """Place in the open scene.

    Attributes
    ----------
    place : Place
    position : (float, float)
        Column and row; pixel (0, 0) spans 0 to 1 in both.
    inside : bool
        Whether it lies in the scene.
    """

    place: Place
    position: tuple[float, float]
    inside: bool


class Unreadable(ValueError):
    """Text that names no place; the message says why, in a sentence."""


@dataclass
class _Angle:
    """Angle that is being read: its numbers, degrees first, and the word for its axis."""

    parts: list[float]
    negative: bool = False
    axis: str = ""

    def degrees(self) -> float:
        """Value, with its sign."""
        if not 1 <= len(self.parts) <= 3:
            raise Unreadable("An angle has degrees, minutes and seconds, and no more.")
        if any(part % 1 for part in self.parts[:-1]):
            raise Unreadable("Only the last part of an angle can have decimals.")
        if any(part >= 60 for part in self.parts[1:]):
            raise Unreadable("Minutes and seconds go up to 60.")
        value = sum((part / 60.0**power for power, part in enumerate(self.parts)), 0.0)
        if self.axis in ("s", "w") and self.negative:
            raise Unreadable("A minus and S or W together are not clear.")
        return -value if self.negative or self.axis in ("s", "w") else value


def read_place(text: str) -> list[Place]:
    """Places that a text can mean, the likeliest first.

    Parameters
    ----------
    text : str
        ``512, 300``, ``col 512 row 300``, ``448250.5 5410800``, ``48.8584, 2.2945``,
        ``48°51'30.2"N 2°17'40"E``, ``N 48 51.5 E 2 17.7``, ``+48.8584+002.2945/``, an address of a web map.

    Returns
    -------
    list of Place
        Two plain numbers can be a pixel, map coordinates, and degrees in either order.

    Raises
    ------
    Unreadable
    """
    plain = text.translate(_PLAIN).replace("''", '"').strip().lower()
    if not plain:
        raise Unreadable("")
    if match := _PIXEL.search(plain):
        one, two = float(match["one"]), float(match["two"])
        across = [match[name].startswith(("c", "x")) for name in ("first", "second")]
        if across[0] == across[1]:
            raise Unreadable("A pixel has one column and one row.")
        return [Place(PlaceKind.PIXEL, *((one, two) if across[0] else (two, one)))]
    if match := _WEB.search(plain) or _ISO_6709.match(plain):
        return [_degrees(float(match[2]), float(match[1]))]
    plain = re.sub(r"^point|\bpx\b|\bpixels?\b|\bdeg(?:rees?)?\b", " ", _decimal_points(plain))
    tokens = [(m.lastgroup or "", m.group()) for m in _TOKEN.finditer(plain) if m.lastgroup != "space"]
    if rest := next((value for kind, value in tokens if kind == "rest"), None):
        word = next((word for word in text.split() if rest in word.lower()), rest)
        raise Unreadable(f"“{word}” cannot be read as part of a coordinate.")
    numbers = [value for kind, value in tokens if kind == "number"]
    if len(numbers) < 2:
        raise Unreadable("A place has two coordinates.")
    if all(kind in ("number", "comma") for kind, _ in tokens) and len(numbers) == 2:
        found = _plain_pair(*map(float, numbers))
        # Nobody writes thousandths of a pixel: then degrees come first.
        fine = all(len(number.partition(".")[2]) >= 3 for number in numbers)
        return sorted(found, key=lambda place: place.kind is not PlaceKind.DEGREES) if fine else found
    return _angles(_split(tokens))


def _decimal_points(text: str) -> str:
    """Text with decimal points where it has decimal commas: ``48,85; 2,29`` and ``48,85 2,29``."""
    between_digits = re.findall(r"\d,\d", text)
    if ";" in text or ("." not in text and len(between_digits) == text.count(",") == 2):
        return re.sub(r"(\d),(\d)", r"\1.\2", text)
    return text


def _plain_pair(a: float, b: float) -> list[Place]:
    found = [Place(PlaceKind.PIXEL, a, b), Place(PlaceKind.MAP, a, b)]
    if abs(a) <= 90 and abs(b) <= 180:
        found.append(Place(PlaceKind.DEGREES, b, a))
    if abs(b) <= 90 and abs(a) <= 180 and a != b:
        found.append(Place(PlaceKind.DEGREES, a, b))
    return found


def _split(tokens: Sequence[tuple[str, str]]) -> list[_Angle]:
    """Two angles, parted by what names their axes, by a comma, by degree signs, or in the middle."""
    axes = [at for at, (kind, _) in enumerate(tokens) if kind == "axis"]
    commas = [at for at, (kind, _) in enumerate(tokens) if kind == "comma"]
    signs = [at for at, token in enumerate(tokens) if token == ("unit", "°")]
    numbers = [at for at, (kind, _) in enumerate(tokens) if kind == "number"]
    if len(axes) == 2:
        middle = axes[1] if axes[0] == 0 else axes[0] + 1
    elif len(commas) == 1:
        middle = commas[0]
    elif len(signs) == 2:
        middle = signs[1] - 1
    elif len(numbers) % 2 == 0:
        middle = numbers[len(numbers) // 2]
    else:
        raise Unreadable("It is not clear where the first coordinate ends; put a comma between them.")
    return [_angle(part) for part in (tokens[:middle], tokens[middle:])]


def _angle(tokens: Sequence[tuple[str, str]]) -> _Angle:
    angle = _Angle([])
    for kind, value in tokens:
        if kind == "number":
            if value[0] in "+-" and angle.parts:
                raise Unreadable("A sign stands before the degrees.")
            angle.negative |= value[0] == "-"
            angle.parts.append(abs(float(value)))
        elif kind == "axis":
            if angle.axis:
                raise Unreadable("A coordinate has one direction.")
            angle.axis = value
    return angle


def _angles(angles: list[_Angle]) -> list[Place]:
    first, second = angles
    one, two = first.degrees(), second.degrees()
    swapped = first.axis in _LONGITUDE or second.axis in _LATITUDE
    if (first.axis in _LATITUDE and second.axis in _LATITUDE) or (
        first.axis in _LONGITUDE and second.axis in _LONGITUDE
    ):
        raise Unreadable("One coordinate is north or south, the other east or west.")
    if first.axis or second.axis:
        return [_degrees(one, two) if swapped else _degrees(two, one)]
    if abs(one) > 90:
        return [_degrees(one, two)]
    return [_degrees(two, one)] + ([_degrees(one, two)] if abs(two) <= 90 and one != two else [])


def _degrees(lon: float, lat: float) -> Place:
    if not (math.isfinite(lon) and abs(lat) <= 90 and abs(lon) <= 360):
        raise Unreadable("Latitudes go from −90 to 90, longitudes from −180 to 180.")
    return Place(PlaceKind.DEGREES, (lon + 180) % 360 - 180, lat)
