"""Pictures unlike those the weights were trained on: the variants of ``battery.py``.

A variant makes an 8-bit picture, shape (3, height, width) or, for grey as one band, (1, height, width), of
one of three things: an aerial picture of three bands, a scene of more bands, or nothing but a size.  It is
the same whenever it is made of the same source: what is random follows from the source's name.
"""

from __future__ import annotations

import functools
import io
import warnings
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter, ImageFont

#: uint8, shape (bands, height, width).
Picture = npt.NDArray[np.uint8]
Plane = npt.NDArray[np.float64]
Random = np.random.Generator
Colour = tuple[float, float, float]

#: BT.601, which says well enough how bright something is.
LUMINANCE = np.array([0.299, 0.587, 0.114])

#: What bands are called in files, and what they are.
ROLES = {
    "r": "red",
    "g": "green",
    "b": "blue",
    "red": "red",
    "green": "green",
    "blue": "blue",
    "nir": "nir",
    "b02": "blue",
    "b03": "green",
    "b04": "red",
    "b08": "nir",
}

#: Bands, from 0, of scenes whose files do not name them; in others blue, green, red, near infrared are first.
ORDERS: dict[str, dict[str, int]] = {
    "landsat_2020_4band*": {"nir": 1, "red": 2, "green": 3},
    "naip_*": {"red": 0, "green": 1, "blue": 2, "nir": 3},
    "doodle_rgb_elev*": {"red": 0, "green": 1, "blue": 2},
    "homonim_landsat8_24band*": {},
}

#: Scenes smaller than this on one side are not used.
LEAST_SIDE = 192


@dataclass(frozen=True)
class Scene:
    """A scene of four or more bands.

    Attributes
    ----------
    name : str
        Of the file.
    bands : ndarray of uint8, shape (bands, height, width)
        8-bit samples as they are, others stretched from their 2nd to their 98th percentile, band by band.
    roles : mapping
        "red", "green", "blue", "nir" to the number of the band, from 0, as far as they are known.
    """

    name: str
    bands: Picture
    roles: Mapping[str, int] = field(default_factory=dict)

    def pick(self, *names: str) -> Picture:
        """Bands by what they are."""
        return self.bands[[self.roles[name] for name in names]]


@dataclass(frozen=True)
class Variant:
    """A way to make pictures.

    Attributes
    ----------
    make : callable
        (source, random generator) → picture.
    source : str
        "picture", "scene" or "size": what it is made of.
    needs : tuple of str
        Roles of bands that a scene must have.
    of : str
        Pattern of the names of scenes that are meant.
    """

    make: Callable[[Any, Random], Picture]
    source: str = "picture"
    needs: tuple[str, ...] = ()
    of: str = "*"

    def suits(self, scene: Scene) -> bool:
        """Whether it can be made of a scene."""
        return fnmatch(scene.name, self.of) and set(self.needs) <= set(scene.roles)

    def picture(self, source: Picture | Scene | int, name: str) -> Picture:
        """The picture of a source of that name."""
        return np.ascontiguousarray(self.make(source, np.random.default_rng(zlib.crc32(name.encode()))))


def crop(pixels: Picture, side: int) -> Picture:
    """Middle of some bands, of at most ``side`` pixels in both directions."""
    height, width = pixels.shape[1:]
    top, left = max(height - side, 0) // 2, max(width - side, 0) // 2
    return np.ascontiguousarray(pixels[:, top : top + side, left : left + side])


def load_scene(path: Path, side: int) -> Scene | None:
    """Middle of a scene; None if the file has less than four bands, is no raster or too small."""
    import rasterio
    from rasterio.errors import NotGeoreferencedWarning, RasterioError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            with rasterio.open(path) as file:
                colours = [colour.name for colour in file.colorinterp]
                if file.count < 4 or "alpha" in colours or min(file.width, file.height) < LEAST_SIDE:
                    return None
                samples, names = file.read(), file.descriptions
    except RasterioError:
        return None
    roles = {ROLES[n.lower()]: k for k, n in enumerate(names) if n and n.lower() in ROLES}
    if not roles:
        roles = next(
            (order for pattern, order in ORDERS.items() if fnmatch(path.name, pattern)),
            {"blue": 0, "green": 1, "red": 2, "nir": 3},
        )
    if samples.dtype != np.uint8:
        samples = np.stack([stretch(band) for band in samples])
    return Scene(path.name, crop(samples, side), roles)


def load_scenes(folders: Iterable[Path], side: int) -> list[Scene]:
    """Scenes of four or more bands in some folders, in order of their names."""
    paths = sorted(path for folder in folders for path in folder.glob("*.tif"))
    return [scene for path in paths if (scene := load_scene(path, side)) is not None]


def stretch(band: npt.NDArray[Any], low: float = 2, high: float = 98) -> npt.NDArray[np.uint8]:
    """Band between two percentiles of its finite samples as 8 bits; what lies beyond is clipped."""
    values = np.nan_to_num(band.astype(np.float64), posinf=0, neginf=0)
    bottom, top = np.percentile(values, (low, high))
    return _bytes((values - bottom) / max(top - bottom, 1e-12) * 255)


# ------------------------------------------------------------------------------ tools


def _bytes(values: npt.ArrayLike) -> npt.NDArray[np.uint8]:
    return np.clip(np.rint(np.asarray(values, np.float64)), 0, 255).astype(np.uint8)


def _light(rgb: Picture) -> Plane:
    """Brightness of a picture, 0 to 255."""
    return np.tensordot(LUMINANCE, rgb.astype(np.float64), 1)


def _thrice(plane: npt.ArrayLike) -> Picture:
    """Grey as three equal bands."""
    return np.repeat(_bytes(plane)[None], 3, 0)


def _unit(plane: Plane) -> Plane:
    """Plane from 0 to 1."""
    low, high = plane.min(), plane.max()
    return (plane - low) / max(high - low, 1e-12)


def _image(rgb: Picture) -> Image.Image:
    return Image.fromarray(np.ascontiguousarray(rgb.transpose(1, 2, 0)))


def _picture(image: Image.Image) -> Picture:
    return np.ascontiguousarray(np.asarray(image.convert("RGB")).transpose(2, 0, 1))


def _blurred(rgb: Picture, radius: float) -> Picture:
    return _picture(_image(rgb).filter(ImageFilter.GaussianBlur(radius)))


def _ramp(plane: Plane, *stops: Colour) -> Picture:
    """Colours of values from 0 to 1, between stops at equal distances."""
    at = np.linspace(0, 1, len(stops))
    return _bytes([np.interp(plane, at, [stop[k] for stop in stops]) for k in range(3)])


def _fractal(side: int, random: Random, slope: float = 2.0) -> Plane:
    """Surface from 0 to 1 whose amplitudes fall with a power of the frequency."""
    rows, columns = np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None]
    frequency = np.maximum(np.hypot(rows, columns), 1 / side)
    phases = np.exp(2j * np.pi * random.random(frequency.shape))
    return _unit(np.fft.irfft2(phases * frequency**-slope, (side, side)))


def _shade(surface: Plane, relief: float) -> Plane:
    """Light on a surface from the north-west, 45° high: 0 to 1 (Horn, 1981, without his weights)."""
    down, right = np.gradient(surface * relief)
    steep = np.sqrt(1 + down**2 + right**2)
    return np.clip((1 + down + right) / (steep * np.sqrt(3)), 0, 1)


def _contours(surface: Plane, count: int) -> npt.NDArray[np.bool_]:
    """Where lines of equal height run."""
    steps = np.floor(surface * count)
    lines = np.zeros(surface.shape, bool)
    lines[:, 1:] |= steps[:, 1:] != steps[:, :-1]
    lines[1:] |= steps[1:] != steps[:-1]
    return lines


@functools.cache
def _font(size: int) -> Any:
    return ImageFont.load_default(size=size)


WORDS = ("Altdorf", "Moor", "Kirchberg", "N 47", "Bad Aue", "1284", "Seefeld", "B 12", "Wald", "372", "Hafen")


def _letter(draw: ImageDraw.ImageDraw, side: int, random: Random, count: int, **style: Any) -> None:
    """Words at places of no meaning."""
    for _ in range(count):
        x, y = random.integers(0, side, 2)
        size = int(random.integers(max(side // 28, 9), max(side // 12, 12)))
        draw.text((int(x) - size, int(y)), WORDS[random.integers(len(WORDS))], font=_font(size), **style)


def _road(side: int, random: Random) -> list[tuple[float, float]]:
    """A line that winds through a picture."""
    angle = random.uniform(0, 2 * np.pi)
    middle = np.array([side, side]) / 2 + random.normal(0, side / 6, 2)
    points: list[tuple[float, float]] = []
    for way in (-1, 1):
        place, course = middle.copy(), angle + (0 if way > 0 else np.pi)
        half = []
        for _ in range(24):
            half.append((float(place[0]), float(place[1])))
            course += random.normal(0, 0.25)
            place = place + side / 24 * np.array([np.cos(course), np.sin(course)])
        points = half[::-1] + points if way < 0 else points + half
    return points


# ------------------------------------------------------------------------------ of aerial pictures


def saturate(rgb: Picture, factor: float) -> Picture:
    """Colours further from grey of the same brightness."""
    grey = _light(rgb)
    return _bytes(grey + factor * (rgb - grey))


def scale(rgb: Picture, *factors: float) -> Picture:
    """Bands by a factor each."""
    return _bytes(rgb * np.reshape(factors, (3, 1, 1)))


def gamma(rgb: Picture, power: float) -> Picture:
    """Bands by a power of what they are of white."""
    return _bytes(255 * (rgb / 255.0) ** power)


def contrast(rgb: Picture, factor: float, middle: float) -> Picture:
    """Bands nearer to their mean, which becomes ``middle``."""
    return _bytes(middle + factor * (rgb - rgb.mean(dtype=np.float64)))


def equalise(rgb: Picture) -> Picture:
    """Bands in which all values are about as frequent."""

    def flat(band: Picture) -> Plane:
        counts = np.bincount(band.ravel(), minlength=256)
        return np.asarray((np.cumsum(counts) - counts / 2) / band.size * 255)[band]

    return _bytes([flat(band) for band in rgb])


def speckle(rgb: Picture, random: Random, looks: float, bands: int = 1) -> Picture:
    """Brightness as a radar sees it: speckle of some looks, the root of the intensity shown."""
    light = (_light(rgb) / 255) ** 2
    noise = random.gamma(looks, 1 / looks, (bands, *light.shape))
    shown = 190 * np.sqrt(light * noise)
    return _bytes(np.broadcast_to(shown, (3, *light.shape)))


def polarised(rgb: Picture, random: Random) -> Picture:
    """Three channels of a radar: each with speckle of its own, saturated as such composites are."""
    return _bytes(200 * np.sqrt(saturate(rgb, 2.0) / 255.0 * random.gamma(3, 1 / 3, rgb.shape)))


def unrelated(rgb: Picture) -> Picture:
    """Bands that have nothing to do with each other: one as it is, one turned, one mirrored."""
    return np.stack([rgb[0], rgb[1, ::-1, ::-1], rgb[2, :, ::-1]])


def noisy(rgb: Picture, random: Random, sigma: float) -> Picture:
    """Picture with Gaussian noise."""
    return _bytes(rgb + random.normal(0, sigma, rgb.shape))


def palette(rgb: Picture, colours: int, dither: bool) -> Picture:
    """Picture of few colours."""
    how = Image.Dither.FLOYDSTEINBERG if dither else Image.Dither.NONE
    table = _image(rgb).quantize(colours)
    return _picture(_image(rgb).quantize(palette=table, dither=how))


def flat_grey(rgb: Picture, random: Random) -> Picture:
    """Picture of which rectangles, some two thirds of it, are flat grey: roofs and yards."""
    out = saturate(rgb, 0.3)
    height, width = rgb.shape[1:]
    covered = np.zeros((height, width), bool)
    while covered.mean() < 0.65:
        h, w = random.integers(height // 16, height // 4), random.integers(width // 16, width // 4)
        y, x = random.integers(0, height - h), random.integers(0, width - w)
        out[:, y : y + h, x : x + w] = random.choice((96, 120, 128, 136, 160))
        covered[y : y + h, x : x + w] = True
    return out


def lettered(rgb: Picture, random: Random) -> Picture:
    """Picture with roads and names over it, as maps on the web show them."""
    image = _image(rgb)
    draw = ImageDraw.Draw(image)
    side = min(image.size)
    for colour in ("#ffe14d", "#ffffff"):
        road = _road(side, random)
        draw.line(road, "#404040", 6, joint="curve")
        draw.line(road, colour, 4, joint="curve")
    _letter(draw, side, random, 9, fill="white", stroke_width=2, stroke_fill="black")
    return _picture(image)


def collar(rgb: Picture) -> Picture:
    """Picture turned by 17°, black beside it, without a mask."""
    return _picture(_image(rgb).rotate(17, Image.Resampling.BICUBIC))


def striped(rgb: Picture, period: int = 14, gap: int = 4) -> Picture:
    """Picture with slanting black gaps, as Landsat 7 has left them since 2003."""
    rows, columns = np.indices(rgb.shape[1:])
    return np.where((rows + columns // 6) % period < gap, 0, rgb).astype(np.uint8)


def recoded(rgb: Picture, quality: int) -> Picture:
    """Picture that was a JPEG file once."""
    buffer = io.BytesIO()
    _image(rgb).save(buffer, "JPEG", quality=quality)
    return _picture(Image.open(buffer))


def doubled(rgb: Picture) -> Picture:
    """Middle of a picture with pixels twice as large."""
    height, width = rgb.shape[1:]
    part = crop(rgb, (max(height, width) + 1) // 2)
    return part.repeat(2, 1).repeat(2, 2)[:, :height, :width]


def cloudy(rgb: Picture, random: Random) -> Picture:
    """Picture half under clouds."""
    side = max(rgb.shape[1:])
    cover = _fractal(side, random, 1.6)[: rgb.shape[1], : rgb.shape[2]]
    thick = np.clip((cover - np.median(cover) + 0.08) * 6, 0, 1)
    return _bytes(rgb * (1 - thick) + thick * (205 + 50 * cover))


def sharpened(rgb: Picture) -> Picture:
    """Picture as eager sharpening leaves it."""
    return _picture(_image(rgb).filter(ImageFilter.UnsharpMask(radius=2, percent=300, threshold=0)))


def thermal(rgb: Picture) -> Picture:
    """Brightness in the colours of thermal cameras."""
    warm = _unit(_light(_blurred(rgb, 1.0)))
    return _ramp(warm, (0, 0, 4), (87, 16, 110), (188, 55, 84), (249, 142, 9), (252, 255, 164))


def rainbow(rgb: Picture) -> Picture:
    """Brightness in the colours of the rainbow."""
    return _ramp(_light(rgb) / 255, (0, 0, 131), (0, 60, 255), (5, 255, 255), (255, 255, 0), (250, 0, 0))


# ------------------------------------------------------------------------------ of scenes of many bands


def index(scene: Scene, above: str, below: str) -> Plane:
    """Normalised difference of two bands, −1 to 1."""
    a, b = (band.astype(np.float64) for band in scene.pick(above, below))
    return (a - b) / np.maximum(a + b, 1)


def vegetation(scene: Scene) -> Picture:
    """NDVI in the colours it is mostly shown in: red, yellow, green."""
    shown = np.clip((index(scene, "nir", "red") + 0.6) / 1.2, 0, 1)
    return _ramp(shown, (165, 0, 38), (244, 109, 67), (254, 224, 139), (166, 217, 106), (0, 104, 55))


def water(scene: Scene) -> Picture:
    """NDWI in brown, white and blue."""
    shown = np.clip((index(scene, "green", "nir") + 0.6) / 1.2, 0, 1)
    return _ramp(shown, (140, 81, 10), (246, 232, 195), (255, 255, 255), (90, 180, 220), (8, 48, 107))


def classes(scene: Scene) -> Picture:
    """NDVI in six colours, without anything between them."""
    table = np.array(
        [(30, 60, 200), (200, 40, 40), (240, 230, 140), (150, 220, 90), (40, 160, 60), (0, 80, 30)]
    )
    step = np.digitize(index(scene, "nir", "red"), (-0.15, 0.0, 0.15, 0.3, 0.45))
    return np.moveaxis(table[step], -1, 0).astype(np.uint8)


def mixed_with_index(scene: Scene) -> Picture:
    """Near infrared, red and NDVI as red, green and blue."""
    nir, red = scene.pick("nir", "red")
    return np.stack([nir, red, _bytes(127.5 * (1 + index(scene, "nir", "red")))])


def components(scene: Scene) -> Picture:
    """First three principal components of all bands, each stretched."""
    flat = scene.bands.reshape(len(scene.bands), -1).astype(np.float64)
    flat = flat - flat.mean(1, keepdims=True)
    _, axes = np.linalg.eigh(flat @ flat.T)
    axes = axes[:, ::-1][:, :3]
    axes = axes * np.sign(axes.sum(0) + 1e-12)
    return np.stack([stretch(band) for band in (axes.T @ flat).reshape(3, *scene.bands.shape[1:])])


def stretched(scene: Scene, *numbers: int) -> Picture:
    """Bands by number, from 1, each from its 2nd to its 98th percentile."""
    return np.stack([stretch(scene.bands[number - 1]) for number in numbers])


# ------------------------------------------------------------------------------ of nothing


def hillshade(side: int, random: Random) -> Picture:
    """Relief in grey."""
    return _thrice(255 * _shade(_fractal(side, random, 2.1), side / 6))


def tinted_relief(side: int, random: Random) -> Picture:
    """Relief in the colours of heights."""
    surface = _fractal(side, random)
    tints = _ramp(surface, (70, 130, 190), (90, 160, 90), (235, 225, 150), (170, 110, 60), (250, 250, 250))
    return _bytes(tints * (0.35 + 0.75 * _shade(surface, side / 3)))


def heights(side: int, random: Random) -> Picture:
    """Heights themselves, in grey."""
    return _thrice(255 * _fractal(side, random))


def contour_map(side: int, random: Random) -> Picture:
    """Brown lines of equal height on white."""
    surface = _fractal(side, random, 2.4)
    out = np.full((3, side, side), 255.0)
    for count, colour in ((30, (200, 150, 110)), (6, (130, 80, 40))):
        out[:, _contours(surface, count)] = np.array(colour)[:, None]
    return _bytes(out)


def plan(side: int, random: Random, factor: int = 2) -> Picture:
    """Map with woods, water, roads and names, as drawn for the web."""
    large = side * factor
    surface = _fractal(large, random, 2.2)
    ground = np.array([(170, 211, 223), (242, 239, 233), (200, 223, 159), (173, 209, 158)])
    kinds = np.digitize(surface, np.percentile(surface, (18, 55, 85)))
    image = Image.fromarray(ground[kinds].astype(np.uint8))
    draw = ImageDraw.Draw(image)
    for _ in range(60):
        x, y = (random.normal(large / 2, large / 5, 2)).astype(int)
        w, h = random.integers(large // 60, large // 20, 2)
        draw.rectangle((x, y, x + w, y + h), fill="#d9d0c9", outline="#b5a89d")
    for colour, width in (("#ffffff", 5), ("#ffffff", 5), ("#f7fabf", 7), ("#fcd6a4", 8), ("#e892a2", 9)):
        road = _road(large, random)
        draw.line(road, "#9c8f86", width + 3, joint="curve")
        draw.line(road, colour, width, joint="curve")
    _letter(draw, large, random, 14, fill="#222222", stroke_width=2, stroke_fill="white")
    return _picture(image.resize((side, side), Image.Resampling.BOX))


def scanned_map(side: int, random: Random) -> Picture:
    """Printed map with lettering from a scanner: paper, blur, noise, a little askew."""
    large = 2 * side
    surface = _fractal(large, random, 2.3)
    out = np.full((3, large, large), 1.0) * np.array([246, 238, 214])[:, None, None]
    out[:, surface > np.percentile(surface, 62)] = np.array([[190], [214], [160]])
    out[:, surface < np.percentile(surface, 14)] = np.array([[165], [200], [220]])
    lines = _contours(surface, 36)
    lines[1:] |= lines[:-1]
    out[:, lines] = np.array([[176], [120], [80]])
    image = _image(_bytes(out))
    draw = ImageDraw.Draw(image)
    for step in range(large // 8, large, large // 4):
        draw.line((step, 0, step, large), "#508cb4", 1)
        draw.line((0, step, large, step), "#508cb4", 1)
    for colour, width in (("#202020", 3), ("#c83232", 6), ("#202020", 2)):
        draw.line(_road(large, random), colour, width, joint="curve")
    _letter(draw, large, random, 22, fill="#181818")
    image = image.rotate(1.4, Image.Resampling.BICUBIC, fillcolor=(246, 238, 214))
    scan = _blurred(_picture(image.resize((side, side), Image.Resampling.BOX)), 0.6)
    paper = 0.92 + 0.1 * _fractal(side, random, 1.2)
    return _bytes(scan * paper + random.normal(0, 4, (3, side, side)))


def page(side: int, random: Random) -> Picture:
    """Lines of small black type on white."""
    image = Image.new("RGB", (side, side), "white")
    draw = ImageDraw.Draw(image)
    for y in range(6, side - 12, 15):
        words = " ".join(WORDS[k] for k in random.integers(len(WORDS), size=side // 24))
        draw.text((8, y), words, "black", font=_font(11))
    return _picture(image)


def chart(side: int, random: Random) -> Picture:
    """Diagram with axes, bars, lines and a legend."""
    image = Image.new("RGB", (side, side), "white")
    draw = ImageDraw.Draw(image)
    left, bottom = side // 8, side - side // 8
    for k in range(6):
        y = bottom - k * (bottom - 10) // 6
        draw.line((left, y, side - 8, y), "#dddddd")
        draw.text((4, y - 6), f"{20 * k}", "black", font=_font(11))
    for k in range(9):
        x, h = left + 6 + k * (side - left - 16) // 9, int(random.integers(side // 8, side // 2))
        draw.rectangle((x, bottom - h, x + side // 22, bottom), fill=("#4e79a7", "#f28e2b")[k % 2])
        draw.text((x, bottom + 4), f"{k + 1}", "black", font=_font(11))
    for colour in ("#e15759", "#59a14f", "#b07aa1"):
        curve = bottom - side / 2 - np.cumsum(random.normal(0, side / 60, 40))
        draw.line(list(zip(np.linspace(left, side - 10, 40), curve, strict=True)), colour, 2)
    draw.rectangle((left, 8, side - 8, bottom), outline="black")
    for k, colour in enumerate(("#e15759", "#59a14f", "#b07aa1")):
        draw.line((side - side // 3, 18 + 14 * k, side - side // 4, 18 + 14 * k), colour, 2)
        draw.text((side - side // 4 + 6, 12 + 14 * k), WORDS[k], "black", font=_font(11))
    return _picture(image)


def night_lights(side: int, random: Random) -> Picture:
    """Towns and roads at night."""
    towns = _fractal(side, random, 1.5) ** 6
    lamps = random.random((side, side)) < 0.5 * towns + 0.0005
    light = lamps * random.gamma(1.5, 120, (side, side))
    road = Image.new("L", (side, side))
    for _ in range(3):
        ImageDraw.Draw(road).line(_road(side, random), 255, 1)
    light += (np.asarray(road) > 0) * (random.random((side, side)) < 0.3) * 160
    warmth = random.uniform(0.25, 0.9, (side, side))
    lit = _bytes([light, light * (0.45 + 0.5 * warmth), light * warmth**2])
    glow = (
        6.0 * _blurred(lit, side / 40)
        + 2.5 * _blurred(lit, 0.8)
        + 40 * towns * np.array([1, 0.7, 0.4])[:, None, None]
    )
    return _bytes(glow + 3 + random.normal(0, 1.5, (3, side, side)))


def snow(side: int, random: Random) -> Picture:
    """Snow with bluish shadows and a few dark rocks."""
    surface = _fractal(side, random)
    lit = _shade(surface, side / 4)
    out = _ramp(_unit(lit), (150, 170, 205), (225, 233, 245), (250, 251, 253), (255, 255, 255)).astype(
        np.float64
    )
    rocks = _fractal(side, random, 1.3) > 0.72
    out[:, rocks] = 60 + 30 * random.random(int(rocks.sum()))
    return _bytes(out + random.normal(0, 1.5, (3, side, side)))


def town(side: int, random: Random) -> Picture:
    """Town of flat grey: asphalt, concrete, roofs with shadows, hardly a colour."""
    image = Image.new("RGB", (side, side), (128, 128, 128))
    draw = ImageDraw.Draw(image)
    block = side // 6
    for y in range(0, side, block):
        for x in range(0, side, block):
            tone = int(random.choice((112, 120, 128, 136)))
            draw.rectangle((x + 6, y + 6, x + block - 6, y + block - 6), fill=(tone,) * 3)
            for _ in range(int(random.integers(1, 4))):
                w, h = (int(v) for v in random.integers(block // 5, block // 2, 2))
                a, b = (int(v) for v in random.integers(8, max(block - 8 - block // 2, 9), 2))
                roof = int(random.choice((90, 150, 170, 200, 225)))
                colour = (150, 90, 70) if random.random() < 0.06 else (roof, roof, roof)
                draw.rectangle((x + a + 3, y + b + 3, x + a + w + 3, y + b + h + 3), fill=(60, 60, 62))
                draw.rectangle((x + a, y + b, x + a + w, y + b + h), fill=colour)
    for step in range(0, side, block):
        for dash in range(0, side, 12):
            draw.line((dash, step, dash + 5, step), (215, 215, 215))
    return _bytes(_blurred(_picture(image), 0.6) + random.normal(0, 1.0, (side, side)))


def fields(side: int, random: Random) -> Picture:
    """Classified fields: areas around random points, each in one saturated colour."""
    points = random.random((60, 2)) * side
    rows, columns = np.indices((side, side))
    distance = (rows[..., None] - points[:, 0]) ** 2 + (columns[..., None] - points[:, 1]) ** 2
    table = saturate(random.integers(0, 256, (3, 60, 1)).astype(np.uint8), 2.0)[..., 0]
    return table[:, distance.argmin(-1)]


def saturated_texture(side: int, random: Random) -> Picture:
    """Texture in tones of one saturated colour."""
    colour = np.zeros(3)
    colour[random.permutation(3)[:2]] = 255, random.choice((0, 128, 255))
    return _ramp(_fractal(side, random, 1.2), (0, 0, 0), tuple(colour.tolist()))


def bars(side: int, random: Random) -> Picture:
    """Bars of full colours above ramps, as in test charts."""
    full = np.array([[(k >> b & 1) * 255 for b in range(3)] for k in random.permutation(8)]).T
    out = full[:, (np.arange(side) * 8 // side)][:, None].repeat(side, 1).astype(np.float64)
    out[:, side // 2 :] *= np.linspace(0, 1, side - side // 2)[:, None]
    return _bytes(out)


def moire(side: int, random: Random) -> Picture:
    """Rings that become finer outwards, up to two pixels a period at the border."""
    rows, columns = np.indices((side, side)) - side / 2
    return _thrice(127.5 + 127.5 * np.cos(np.pi * (rows**2 + columns**2) / side + random.uniform(0, 6.28)))


def flat(side: int, random: Random) -> Picture:
    """One colour."""
    return np.broadcast_to(random.integers(0, 256, (3, 1, 1)), (3, side, side)).astype(np.uint8)


# ------------------------------------------------------------------------------ the table


def _of(make: Callable[..., Picture], *values: Any) -> Callable[[Any, Random], Picture]:
    """Function of a source and numbers as one of a source and a generator."""
    return lambda source, _: make(source, *values)


def _bands(*names: str) -> Variant:
    return Variant(lambda scene, _: scene.pick(*names), "scene", tuple(dict.fromkeys(names)))


def _numbers(*numbers: int, of: str = "*") -> Variant:
    return Variant(lambda scene, _: scene.bands[[number - 1 for number in numbers]], "scene", of=of)


def _order(*bands: int) -> Variant:
    return Variant(lambda rgb, _: rgb[list(bands)])


VARIANTS: dict[str, Variant] = {
    # natural colours, to see what they lose where the others gain; scenes as natural as they are stretched
    "natural": Variant(lambda rgb, _: rgb),
    "scene: red, green, blue": _bands("red", "green", "blue"),
    # grey
    "grey, three bands": Variant(lambda rgb, _: _thrice(_light(rgb))),
    "grey, one band": Variant(lambda rgb, _: _bytes(_light(rgb))[None]),
    "speckle, 1 look": Variant(lambda rgb, random: speckle(rgb, random, 1)),
    "speckle, 4 looks": Variant(lambda rgb, random: speckle(rgb, random, 4)),
    "speckle, one band": Variant(lambda rgb, random: speckle(rgb, random, 4)[:1]),
    "speckle in colour": Variant(polarised),
    "flat grey over two thirds": Variant(flat_grey),
    # colours
    "saturation × 0.4": Variant(_of(saturate, 0.4)),
    "saturation × 2.5": Variant(_of(saturate, 2.5)),
    "saturation × 5": Variant(_of(saturate, 5.0)),
    "green × 0.1": Variant(_of(scale, 1, 0.1, 1)),
    "red and blue × 0.1": Variant(_of(scale, 0.1, 1, 0.1)),
    "red only": Variant(_of(scale, 1, 0, 0)),
    "green only": Variant(_of(scale, 0, 1, 0)),
    "blue only": Variant(_of(scale, 0, 0, 1)),
    "yellow only": Variant(_of(scale, 1, 1, 0)),
    "bands B G R": _order(2, 1, 0),
    "bands G B R": _order(1, 2, 0),
    "bands R B G": _order(0, 2, 1),
    "inverted": Variant(lambda rgb, _: 255 - rgb),
    "red inverted": Variant(lambda rgb, _: np.stack([255 - rgb[0], rgb[1], rgb[2]])),
    "green inverted": Variant(lambda rgb, _: np.stack([rgb[0], 255 - rgb[1], rgb[2]])),
    "three unrelated bands": Variant(_of(unrelated)),
    "bands equalised": Variant(_of(equalise)),
    "rainbow": Variant(_of(rainbow)),
    "thermal": Variant(_of(thermal)),
    # brightness
    "gamma 0.45": Variant(_of(gamma, 0.45)),
    "gamma 2.2": Variant(_of(gamma, 2.2)),
    "pale, bright": Variant(_of(contrast, 0.25, 205.0)),
    "pale, dark": Variant(_of(contrast, 0.25, 45.0)),
    "contrast × 3": Variant(_of(contrast, 3.0, 128.0)),
    "dark × 0.1": Variant(_of(scale, 0.1, 0.1, 0.1)),
    # what is done to pictures
    "noise, σ 8": Variant(lambda rgb, random: noisy(rgb, random, 8)),
    "noise, σ 25": Variant(lambda rgb, random: noisy(rgb, random, 25)),
    "sharpened": Variant(_of(sharpened)),
    "blurred": Variant(_of(_blurred, 2.5)),
    "pixels doubled": Variant(_of(doubled)),
    "once a JPEG": Variant(_of(recoded, 25)),
    "16 colours": Variant(_of(palette, 16, False)),
    "16 colours, dithered": Variant(_of(palette, 16, True)),
    "lettering over it": Variant(lettered),
    "clouds": Variant(cloudy),
    "black beside it": Variant(_of(collar)),
    "black stripes": Variant(_of(striped)),
    # scenes of more bands
    "Landsat 1 2 3": _numbers(1, 2, 3, of="*andsat*"),
    "Landsat 4 3 2": _numbers(4, 3, 2, of="*andsat*"),
    "scene: bands 1 2 3": _numbers(1, 2, 3),
    "scene: bands 4 3 2": _numbers(4, 3, 2),
    "scene: 4 3 2 stretched": Variant(_of(stretched, 4, 3, 2), "scene"),
    "scene: last three bands": Variant(lambda scene, _: scene.bands[-3:], "scene"),
    "scene: NIR as red": _bands("nir", "green", "blue"),
    "scene: NIR, red, green": _bands("nir", "red", "green"),
    "scene: NIR as green": _bands("red", "nir", "green"),
    "scene: NIR, one band": _bands("nir"),
    "scene: components": Variant(_of(components), "scene"),
    "scene: NIR, red, NDVI": Variant(_of(mixed_with_index), "scene", ("nir", "red")),
    "scene: NDVI in colours": Variant(_of(vegetation), "scene", ("nir", "red")),
    "scene: NDVI in classes": Variant(_of(classes), "scene", ("nir", "red")),
    "scene: NDWI in colours": Variant(_of(water), "scene", ("nir", "green")),
    # drawn
    "hillshade": Variant(hillshade, "size"),
    "relief in colours": Variant(tinted_relief, "size"),
    "heights": Variant(heights, "size"),
    "contours": Variant(contour_map, "size"),
    "map": Variant(plan, "size"),
    "scanned map": Variant(scanned_map, "size"),
    "page of text": Variant(page, "size"),
    "chart": Variant(chart, "size"),
    "night lights": Variant(night_lights, "size"),
    "snow": Variant(snow, "size"),
    "town of flat grey": Variant(town, "size"),
    "fields in full colours": Variant(fields, "size"),
    "one saturated colour": Variant(saturated_texture, "size"),
    "bars and ramps": Variant(bars, "size"),
    "rings": Variant(moire, "size"),
    "one flat colour": Variant(flat, "size"),
    "white noise, grey": Variant(lambda side, random: _thrice(random.integers(0, 256, (side, side))), "size"),
    "white noise": Variant(lambda side, random: random.integers(0, 256, (3, side, side), np.uint8), "size"),
}


def choose(patterns: Sequence[str] | None) -> dict[str, Variant]:
    """Variants whose names match any of some patterns; all without any.

    Raises
    ------
    ValueError
        If a pattern fits no variant.
    """
    for pattern in patterns or ():
        if not any(fnmatch(name, pattern) for name in VARIANTS):
            raise ValueError(f"There is no variant “{pattern}”; there are {', '.join(VARIANTS)}.")
    return {n: v for n, v in VARIANTS.items() if patterns is None or any(fnmatch(n, p) for p in patterns)}
