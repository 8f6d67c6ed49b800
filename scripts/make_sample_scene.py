#!/usr/bin/env python3
"""Draw ``resources/sample_scene.tif``: an imagined valley seen from the air.

    python scripts/make_sample_scene.py [OUT.tif]

Everything is computed from one seed with numpy and Pillow: no photograph went into it, so the scene
can be shipped under CC0.  It is drawn at twice its size and averaged down, which gives edges the
softness that a camera's optics give them; then come haze, shadow, blur and sensor noise.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
import rasterio
from PIL import Image, ImageDraw, ImageFilter
from rasterio.transform import from_origin

WIDTH, HEIGHT = 1024, 768
SCALE = 2
W, H = WIDTH * SCALE, HEIGHT * SCALE
METRES = 0.5
SEED = 20240611
SUN = np.array([0.62, 0.78])  # direction in which shadows fall, in pixels (sun in the north-west)

Array = npt.NDArray[np.float32]
rng = np.random.default_rng(SEED)
YY, XX = np.mgrid[0:H, 0:W].astype(np.float32)


def noise(cell: float, octaves: int = 5, gain: float = 0.5) -> Array:
    """Sum octaves of bicubically enlarged white noise, (H, W), zero mean, unit deviation."""
    total = np.zeros((H, W), np.float32)
    amplitude = 1.0
    for _ in range(octaves):
        rows, cols = max(int(H / cell) + 2, 3), max(int(W / cell) + 2, 3)
        small = Image.fromarray(rng.standard_normal((rows, cols)).astype(np.float32))
        total += amplitude * np.asarray(small.resize((W, H), Image.Resampling.BICUBIC))
        amplitude *= gain
        cell /= 2.0
        if cell < 1.0:
            break
    return (total - total.mean()) / total.std()


def blur(image: Array, radius: float) -> Array:
    """Gaussian blur of a (H, W) array."""
    # Pillow blurs 8 bits only; 16 would do, so blur by resampling instead.
    factor = max(radius, 1.0)
    small = Image.fromarray(image).resize(
        (max(int(W / factor), 2), max(int(H / factor), 2)), Image.Resampling.BOX
    )
    return np.asarray(small.resize((W, H), Image.Resampling.BICUBIC))


def mask(draw_on: object, smooth: float = 0.0) -> Array:
    """Return a drawn mask as (H, W) in [0, 1]."""
    image = draw_on if isinstance(draw_on, Image.Image) else Image.new("L", (W, H))
    if smooth:
        image = image.filter(ImageFilter.GaussianBlur(smooth))
    return np.asarray(image, np.float32) / 255.0


def rgb(*value: float) -> Array:
    """Colour as an array that broadcasts over (H, W, 3)."""
    return np.array(value, np.float32)


def smoothstep(low: float, high: float, value: Array) -> Array:
    """Hermite step from 0 at ``low`` to 1 at ``high``."""
    t = np.clip((value - low) / (high - low), 0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)


def over(canvas: Array, colour: Array, alpha: Array) -> None:
    """Blend ``colour`` over the canvas in place."""
    canvas += (colour - canvas) * alpha[..., None]


# ------------------------------------------------------------------------------ layout

WARP_X, WARP_Y = noise(700, 2) * 26, noise(700, 2) * 26
COARSE, MEDIUM, FINE, GRAIN = noise(420), noise(90), noise(22, 4), noise(5, 3, 0.7)


def river_centre(t: Array) -> Array:
    """Row of the river's middle at column ``t``."""
    return (
        H * 0.80
        + 120 * np.sin(t / 235.0 + 0.6)
        + 62 * np.sin(t / 104.0 + 2.1)
        - 210 * (t / W - 0.3)
        + 14 * np.sin(t / 37.0)
    )


def polyline_mask(points: list[tuple[float, float]], width: float, smooth: float = 1.0) -> Array:
    """Mask of a road through the points."""
    image = Image.new("L", (W, H))
    draw = ImageDraw.Draw(image)
    draw.line(points, fill=255, width=int(width), joint="curve")
    return mask(image, smooth)


def curve(points: list[tuple[float, float]], steps: int = 40) -> list[tuple[float, float]]:
    """Catmull-Rom spline through the points."""
    p = np.array([points[0], *points, points[-1]], float)
    out = []
    for i in range(1, len(p) - 2):
        for t in np.linspace(0, 1, steps, endpoint=False):
            a, b, c, d = p[i - 1 : i + 3]
            q = 0.5 * (
                2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3
            )
            out.append((q[0], q[1]))
    out.append(points[-1])
    return out


MAIN_ROAD = curve(
    [(-60, 300), (250, 395), (560, 520), (900, 590), (1230, 560), (1560, 470), (1850, 400), (2120, 372)]
)
SIDE_ROAD = curve([(1045, 590), (1010, 720), (1040, 900), (990, 1080), (930, 1260), (960, 1420), (940, 1560)])
LANE = curve([(640, 540), (700, 400), (668, 250), (720, 120), (700, -40)])
TRACKS = [
    curve([(250, 395), (215, 560), (245, 760), (190, 930)]),
    curve([(1560, 470), (1600, 640), (1575, 800), (1640, 940)]),
    curve([(1640, 455), (1660, 300), (1620, 140), (1665, -30)]),
    curve([(215, 560), (420, 640), (620, 700), (820, 745), (1012, 760)]),
]

# ------------------------------------------------------------------------------ fields

CROPS = [  # colour, row spacing (px), row contrast, speckle, tractor lanes
    (rgb(96, 112, 52), 5.0, 0.05, 0.035, True),  # cereal, green
    (rgb(126, 132, 64), 5.0, 0.04, 0.03, True),
    (rgb(176, 158, 104), 6.0, 0.05, 0.03, True),  # ripe
    (rgb(193, 174, 122), 9.0, 0.08, 0.03, False),  # stubble
    (rgb(134, 108, 80), 7.0, 0.08, 0.05, False),  # ploughed
    (rgb(117, 95, 72), 8.0, 0.09, 0.05, False),
    (rgb(86, 108, 50), 15.0, 0.18, 0.05, False),  # row crop
    (rgb(82, 104, 54), 0.0, 0.0, 0.07, False),  # meadow
    (rgb(104, 120, 66), 0.0, 0.0, 0.06, False),
    (rgb(150, 150, 72), 4.0, 0.03, 0.03, True),
]


def paint_fields(canvas: Array) -> Array:
    """Fill the canvas with parcels; return the mask of their margins."""
    angle = np.deg2rad(-14.0)
    u = np.cos(angle) * (XX + WARP_X) + np.sin(angle) * (YY + WARP_Y)
    v = -np.sin(angle) * (XX + WARP_X) + np.cos(angle) * (YY + WARP_Y)
    margins = np.zeros((H, W), np.float32)
    previous = -1
    row_edge = float(v.min()) - 40
    while row_edge < v.max():
        depth = rng.uniform(230, 400)
        in_row = (v >= row_edge) & (v < row_edge + depth)
        col_edge = float(u.min()) - rng.uniform(0, 200)
        while col_edge < u.max():
            length = rng.uniform(130, 470)
            parcel = in_row & (u >= col_edge) & (u < col_edge + length)
            choice = int(rng.integers(len(CROPS)))
            if choice == previous:
                choice = (choice + 3) % len(CROPS)
            previous = choice
            if parcel.any():
                paint_parcel(canvas, parcel, choice, u, v)
                inner = np.minimum.reduce(
                    [u - col_edge, col_edge + length - u, v - row_edge, row_edge + depth - v]
                )
                margins[parcel] = np.exp(-((inner[parcel] / 4.5) ** 2))
            col_edge += length
        row_edge += depth
    return margins


def paint_parcel(canvas: Array, parcel: npt.NDArray[np.bool_], choice: int, u: Array, v: Array) -> None:
    """Draw one field: soil, rows, tractor lanes, wet and bare patches."""
    colour, spacing, contrast, speckle, lanes = CROPS[choice]
    along_u = rng.random() < 0.5
    tilt = rng.normal(0, 0.02)
    across = (v + tilt * u if along_u else u + tilt * v)[parcel]
    along = (u if along_u else v)[parcel]
    base = colour * rng.normal(1.0, 0.05) * rng.normal(1.0, 0.02, 3).astype(np.float32)
    light = 1.0 + 0.045 * COARSE[parcel] + 0.04 * MEDIUM[parcel] + 1.2 * speckle * FINE[parcel]
    light += 0.75 * speckle * GRAIN[parcel]
    if spacing:
        phase = rng.uniform(0, 6.28)
        wobble = 0.5 * FINE[parcel] + 0.15 * GRAIN[parcel]
        strength = 0.7 * contrast * np.clip(1.0 + 0.45 * MEDIUM[parcel], 0.1, 2.0)
        light += strength * np.sin(2 * np.pi * across / spacing + phase + wobble)
        # Passes of the machine: broad, slightly different stripes.
        light += 0.016 * np.sign(np.sin(2 * np.pi * across / (spacing * 8) + phase))
    values = base * light[:, None]
    patches = smoothstep(0.8, 2.0, MEDIUM[parcel] + 0.6 * COARSE[parcel] + rng.normal(0, 0.3))
    patch = rgb(150, 126, 92) if choice in (0, 1, 6, 9) else rgb(96, 96, 58)
    values += (patch - values) * (0.45 * patches)[:, None]
    if lanes:
        offset = np.mod(across + rng.uniform(0, 72), 72.0)
        wheel = np.exp(-(((offset - 32) / 1.6) ** 2)) + np.exp(-(((offset - 39) / 1.6) ** 2))
        wheel *= 0.75 + 0.2 * np.sin(along / 90.0)
        values += (rgb(140, 122, 88) - values) * (0.42 * np.clip(wheel, 0, 1))[:, None]
    canvas[parcel] = values


# ------------------------------------------------------------------------------ trees


def stamp_trees(
    canvas: Array, shade: Array, places: npt.NDArray[np.float64], radii: npt.NDArray[np.float64]
) -> None:
    """Draw crowns as lit, lumpy domes with a shadow that is cast to the south-east."""
    order = np.argsort(places[:, 1])
    palette = np.array([[58, 76, 38], [66, 86, 42], [48, 68, 40], [78, 92, 46], [54, 70, 48]], np.float32)
    for k in order:
        radius = radii[k]
        reach = int(radius * 1.5) + 2
        cx, cy = places[k]
        x0, x1 = max(int(cx) - reach, 0), min(int(cx) + reach + 1, W)
        y0, y1 = max(int(cy) - reach, 0), min(int(cy) + reach + 1, H)
        if x1 - x0 < 2 or y1 - y0 < 2:
            continue
        box = (slice(y0, y1), slice(x0, x1))
        dx, dy = (XX[box] - cx) / radius, (YY[box] - cy) / radius
        lumps = 0.16 * FINE[box] + 0.13 * GRAIN[box]
        distance = np.sqrt(dx * dx + dy * dy) + lumps
        alpha = 1.0 - smoothstep(0.86, 1.02, distance)
        height = np.sqrt(np.clip(1.0 - distance * distance, 0.0, 1.0))
        light = (
            0.78 - 0.46 * (dx * SUN[0] + dy * SUN[1]) + 0.22 * height + 0.16 * GRAIN[box] + 0.10 * FINE[box]
        )
        colour = palette[rng.integers(len(palette))] * rng.normal(1.0, 0.09)
        canvas[box] += (colour * np.clip(light, 0.22, 1.8)[..., None] - canvas[box]) * alpha[..., None]
        shade[box] *= 1.0 - alpha * 0.9  # the crown itself is lit
        sx, sy = cx + SUN[0] * radius * 1.15, cy + SUN[1] * radius * 1.15
        sreach = int(radius * 1.2) + 2
        x0, x1 = max(int(sx) - sreach, 0), min(int(sx) + sreach + 1, W)
        y0, y1 = max(int(sy) - sreach, 0), min(int(sy) + sreach + 1, H)
        if x1 > x0 and y1 > y0:
            box = (slice(y0, y1), slice(x0, x1))
            d = np.hypot(XX[box] - sx, YY[box] - sy) / radius + 0.12 * FINE[box]
            own = np.hypot(XX[box] - cx, YY[box] - cy) / radius
            shadow = (1.0 - smoothstep(0.8, 1.0, d)) * smoothstep(0.85, 1.0, own)
            shade[box] = np.maximum(shade[box], shadow)


def scatter(density: Array, spacing: float, keep: Array | None = None) -> npt.NDArray[np.float64]:
    """Points on a jittered grid, kept with the probability given by ``density``."""
    gx, gy = np.meshgrid(np.arange(0, W, spacing), np.arange(0, H, spacing))
    points = np.stack([gx.ravel(), gy.ravel()], 1) + rng.uniform(-0.5, 0.5, (gx.size, 2)) * spacing
    points = np.clip(points, 0, [W - 1, H - 1])
    chance = density[points[:, 1].astype(int), points[:, 0].astype(int)]
    return points[rng.random(len(points)) < chance]


# ------------------------------------------------------------------------------ houses, cars

ROOFS = [
    rgb(152, 88, 66),
    rgb(164, 100, 74),
    rgb(138, 80, 64),
    rgb(112, 106, 104),
    rgb(128, 92, 76),
    rgb(96, 92, 94),
]


def rectangle(cx: float, cy: float, length: float, width: float, angle: float) -> npt.NDArray[np.float64]:
    """Corners of a turned rectangle, (4, 2)."""
    c, s = np.cos(angle), np.sin(angle)
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * [length / 2, width / 2]
    return corners @ np.array([[c, s], [-s, c]]) + [cx, cy]


def polygon_mask(corners: npt.NDArray[np.float64]) -> tuple[tuple[slice, slice], Array]:
    """Mask of a polygon and the box of the canvas that it covers."""
    low = np.clip(np.floor(corners.min(0)) - 3, 0, [W - 1, H - 1]).astype(int)
    high = np.clip(np.ceil(corners.max(0)) + 4, 1, [W, H]).astype(int)
    box = (slice(low[1], max(high[1], low[1] + 1)), slice(low[0], max(high[0], low[0] + 1)))
    size = (box[1].stop - box[1].start, box[0].stop - box[0].start)
    big = Image.new("L", (size[0] * 3, size[1] * 3))
    ImageDraw.Draw(big).polygon([tuple((p - low) * 3) for p in corners], fill=255)
    return box, np.asarray(big.resize(size, Image.Resampling.BOX), np.float32) / 255.0


def paint_shape(canvas: Array, corners: npt.NDArray[np.float64], colour: Array, rough: float = 0.05) -> None:
    """Fill a polygon with a colour and some texture."""
    box, alpha = polygon_mask(corners)
    texture = 1.0 + rough * GRAIN[box] + 0.6 * rough * FINE[box]
    canvas[box] += (colour * texture[..., None] - canvas[box]) * alpha[..., None]


def cast(shade: Array, corners: npt.NDArray[np.float64], height: float) -> None:
    """Add the shadow of a prism that is ``height`` pixels long."""
    for step in np.linspace(0.15, 1.0, max(int(height / 2), 3)):
        box, alpha = polygon_mask(corners + SUN * height * step)
        shade[box] = np.maximum(shade[box], alpha)
    box, alpha = polygon_mask(corners)
    shade[box] *= 1.0 - alpha


def house(canvas: Array, shade: Array, cx: float, cy: float, angle: float, big: bool = False) -> None:
    """Draw a gabled house with its garden patch, ridge, chimney and shadow."""
    length, width = rng.uniform(44, 66), rng.uniform(30, 40)
    if big:
        length, width = rng.uniform(90, 150), rng.uniform(44, 56)
    colour = ROOFS[int(rng.integers(len(ROOFS)))] * rng.normal(1.0, 0.07)
    corners = rectangle(cx, cy, length, width, angle)
    across = np.array([-np.sin(angle), np.cos(angle)])
    cast(shade, corners, rng.uniform(15, 22))
    facing = float(across @ SUN)
    for side in (-1.0, 1.0):
        half = rectangle(*(np.array([cx, cy]) + across * side * width / 4), length, width / 2, angle)
        paint_shape(canvas, half, colour * (1.0 - 0.30 * side * facing), 0.045)
        box, alpha = polygon_mask(half)
        tiles = np.sin((XX[box] * across[0] + YY[box] * across[1]) * 2 * np.pi / 4.0)
        canvas[box] *= 1.0 + (0.035 * tiles * alpha)[..., None]
    paint_shape(canvas, rectangle(cx, cy, length, 1.8, angle), colour * 1.16, 0.02)
    if big:
        return
    if rng.random() < 0.45:  # a wing at right angles
        along = np.array([np.cos(angle), np.sin(angle)])
        centre = np.array([cx, cy]) + along * length * 0.28 + across * width * 0.55
        wing = rectangle(*centre, length * 0.38, width * 0.7, angle)
        cast(shade, wing, 11)
        paint_shape(canvas, wing, colour * 0.92, 0.05)
    chimney = np.array([cx, cy]) + rng.uniform(-12, 12) * np.array([np.cos(angle), np.sin(angle)])
    cast(shade, rectangle(*chimney, 4, 4, angle), 6)
    paint_shape(canvas, rectangle(*chimney, 5, 5, angle), rgb(120, 84, 74))


CAR_COLOURS = [
    rgb(214, 214, 212),
    rgb(60, 62, 66),
    rgb(132, 40, 38),
    rgb(52, 72, 112),
    rgb(160, 164, 168),
    rgb(34, 36, 38),
]


def car(canvas: Array, shade: Array, cx: float, cy: float, angle: float, lorry: bool = False) -> None:
    """Draw a car: body, darker glass, small shadow."""
    length, width = (36.0, 10.5) if lorry else (17.5, 8.0)
    colour = CAR_COLOURS[0 if lorry else int(rng.integers(len(CAR_COLOURS)))]
    body = rectangle(cx, cy, length, width, angle)
    cast(shade, body, 8 if lorry else 4)
    paint_shape(canvas, body, colour, 0.02)
    if not lorry:
        paint_shape(canvas, rectangle(cx, cy, length * 0.62, width * 0.8, angle), colour * 0.42, 0.02)
        paint_shape(canvas, rectangle(cx, cy, length * 0.36, width * 0.74, angle), colour * 0.96, 0.02)


def along_road(
    points: list[tuple[float, float]], start: float, step: float
) -> list[tuple[float, float, float]]:
    """Places and headings at regular distances along a road."""
    p = np.array(points)
    lengths = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(p, axis=0).T))])
    out = []
    for s in np.arange(start, lengths[-1] - 5, step):
        x, y = np.interp(s, lengths, p[:, 0]), np.interp(s, lengths, p[:, 1])
        ahead = np.interp(s + 5, lengths, p[:, 0]), np.interp(s + 5, lengths, p[:, 1])
        out.append((float(x), float(y), float(np.arctan2(ahead[1] - y, ahead[0] - x))))
    return out


def offset(place: tuple[float, float, float], distance: float) -> tuple[float, float]:
    """Step sideways from a place on a road."""
    x, y, angle = place
    return x - np.sin(angle) * distance, y + np.cos(angle) * distance


# ------------------------------------------------------------------------------ the scene


def compose() -> npt.NDArray[np.uint8]:
    """Return the scene, (HEIGHT, WIDTH, 3)."""
    canvas = np.zeros((H, W, 3), np.float32)
    shade = np.zeros((H, W), np.float32)
    margins = paint_fields(canvas)
    grass = rgb(92, 106, 60) * (1.0 + 0.10 * FINE + 0.08 * GRAIN + 0.06 * MEDIUM)[..., None]
    over(canvas, grass, np.clip(margins * (0.75 + 0.25 * FINE), 0, 1) * 0.85)

    # River: floodplain meadow, sandy bank, water that is darker in the deep outer bends.
    to_river = np.abs(YY + 0.35 * WARP_Y - river_centre(XX + 0.35 * WARP_X)) * 0.86
    over(canvas, grass * rgb(0.94, 1.0, 0.92), 1.0 - smoothstep(105, 135, to_river + 16 * MEDIUM))
    half_width = 36 + 7 * np.sin(XX / 150.0) + 3.0 * MEDIUM
    bank = 1.0 - smoothstep(0, 5, to_river - half_width - 7 - 4 * FINE - 3 * MEDIUM)
    over(canvas, rgb(158, 144, 112) * (1.0 + 0.06 * GRAIN + 0.05 * FINE)[..., None], bank * 0.85)
    water = 1.0 - smoothstep(-1.5, 1.5, to_river - half_width - 1.2 * FINE)
    depth = np.clip((half_width - to_river) / 34.0, 0, 1)
    ripples = 0.012 * np.sin((XX * 0.8 + YY * 0.5) / 3.1 + 2.2 * FINE) + 0.018 * FINE + 0.012 * GRAIN
    flow = rgb(104, 112, 88) + (rgb(58, 78, 76) - rgb(104, 112, 88)) * smoothstep(0, 0.9, depth)[..., None]
    over(canvas, flow * (1.0 + ripples + 0.03 * MEDIUM)[..., None], water)

    # Village ground: gardens and yards around the crossing.
    centre = np.array([1075.0, 590.0])
    village = 1.0 - smoothstep(205, 300, np.hypot((XX - centre[0]) / 1.6, YY - centre[1]) + 22 * MEDIUM)
    village *= 1.0 - smoothstep(-30, 0, 150 - to_river)
    lawn = rgb(98, 114, 64) * (1.0 + 0.10 * MEDIUM + 0.08 * FINE + 0.06 * GRAIN)[..., None]
    yard = rgb(150, 140, 124) * (1.0 + 0.05 * FINE + 0.05 * GRAIN)[..., None]
    plots = smoothstep(0.5, 0.8, np.sin(XX / 31.0 + 1.5 * MEDIUM) * np.sin(YY / 27.0 + 1.5 * COARSE))
    over(canvas, lawn + (yard - lawn) * (0.55 * plots)[..., None], village)

    # Roads.
    gravel = rgb(176, 162, 134) * (1.0 + 0.07 * GRAIN + 0.05 * FINE)[..., None]
    for track in TRACKS:
        over(canvas, gravel, polyline_mask(track, 11, 2.2) * 0.85)
        over(canvas, grass, polyline_mask(track, 3, 1.2) * 0.55)
    asphalt = rgb(132, 130, 124) * (1.0 + 0.025 * MEDIUM + 0.02 * FINE + 0.03 * GRAIN)[..., None]
    roads = np.zeros((H, W), np.float32)
    for road, width in ((MAIN_ROAD, 30), (SIDE_ROAD, 22), (LANE, 18)):
        over(canvas, gravel * 0.92, polyline_mask(road, width + 11, 2.5) * 0.7)
        line = polyline_mask(road, width)
        roads = np.maximum(roads, line)
        over(canvas, asphalt, line)
        for side in (-1, 1):  # where the tyres polish
            for rut in (0.16, 0.34):
                shifted = [offset(place, side * rut * width) for place in along_road(road, 0, 12)]
                over(canvas, asphalt * 0.9, polyline_mask(shifted, 3, 1.5) * 0.4)
    for place in along_road(MAIN_ROAD, 4, 26):
        paint_shape(canvas, rectangle(place[0], place[1], 11, 1.7, place[2]), rgb(216, 214, 206), 0.02)
    for side in (-12.4, 12.4):
        edge = [offset(place, side) for place in along_road(MAIN_ROAD, 0, 12)]
        over(canvas, rgb(206, 204, 198), polyline_mask(edge, 1.6, 0.6) * 0.75)

    # Bridge: the side road goes on over the water.
    crossing = [
        place
        for place in along_road(SIDE_ROAD, 0, 4)
        if water[min(int(place[1]), H - 1), min(int(place[0]), W - 1)] > 0.3
    ]
    if crossing:
        first, last = crossing[0], crossing[-1]
        middle = ((first[0] + last[0]) / 2, (first[1] + last[1]) / 2)
        length = float(np.hypot(last[0] - first[0], last[1] - first[1])) + 44
        deck = rectangle(*middle, length, 30, first[2])
        cast(shade, deck, 12)
        paint_shape(canvas, deck, rgb(178, 174, 166), 0.03)
        paint_shape(canvas, rectangle(*middle, length, 22, first[2]), rgb(128, 126, 124), 0.03)

    # Houses along the streets of the village, farm buildings farther out.
    built = np.zeros((H, W), np.float32)
    for road, spacing, span in ((MAIN_ROAD, 84, 58), (SIDE_ROAD, 80, 52), (LANE, 96, 50)):
        for place in along_road(road, 30, spacing):
            for side in (-1, 1):
                for row in (0, 1):
                    x, y = offset(place, side * (span + row * 84 + rng.uniform(-5, 9)))
                    x, y = x + rng.uniform(-14, 14), y + rng.uniform(-4, 4)
                    if not (40 < x < W - 40 and 40 < y < H - 40):
                        continue
                    near = (slice(int(y) - 34, int(y) + 35), slice(int(x) - 34, int(x) + 35))
                    if village[int(y), int(x)] < 0.5 or built[near].any() or roads[near].max() > 0.4:
                        continue
                    built[near] = 1.0
                    quarter = np.pi / 2 if rng.random() < 0.25 else 0.0
                    drive = np.array([place[0], place[1]]), np.array([x, y])
                    if row == 0:
                        over(
                            canvas,
                            yard,
                            polyline_mask([tuple(drive[0]), tuple(drive[1])], 10, 1.0) * (1 - roads) * 0.8,
                        )
                    house(canvas, shade, x, y, place[2] + quarter + rng.normal(0, 0.04))
    for x, y, angle in ((330, 500, 0.28), (420, 585, 1.85), (1700, 545, -0.2), (1772, 668, 1.37)):
        pad = rectangle(x, y, 190, 130, angle)
        paint_shape(canvas, pad, rgb(160, 150, 130), 0.05)
        near = (slice(y - 80, y + 80), slice(x - 100, x + 100))
        built[near] = 1.0
        house(canvas, shade, x, y, angle, big=True)

    for place in along_road(MAIN_ROAD, 70, 173):
        side = 1 if rng.random() < 0.5 else -1
        car(canvas, shade, *offset(place, side * 7.0), place[2], lorry=rng.random() < 0.2)
    for place in along_road(SIDE_ROAD, 120, 260):
        car(canvas, shade, *offset(place, 5.5), place[2])
    for place in along_road(MAIN_ROAD, 960, 52)[:9]:
        if rng.random() < 0.6:
            car(canvas, shade, *offset(place, -20.0), place[2])

    # Woods, hedges, riverside trees, orchards and garden trees.
    open_ground = (1.0 - roads) * (1.0 - np.clip(built * 1.2, 0, 1)) * (1.0 - water)
    corner = smoothstep(
        0.15, 0.35, 1.15 - np.hypot((XX - 60) / 760, (YY + 30) / 360) + 0.10 * COARSE + 0.05 * MEDIUM
    )
    south = smoothstep(0.2, 0.3, 1.2 - np.hypot((XX - W + 120) / 720, (YY - H - 10) / 420) + 0.1 * COARSE)
    wood = np.clip(corner + south, 0, 1) * open_ground * (1.0 - village)
    floor = rgb(62, 68, 42) * (1.0 + 0.16 * FINE + 0.12 * GRAIN)[..., None]
    over(canvas, floor, smoothstep(0.35, 0.7, wood))
    track_mask = np.maximum.reduce([polyline_mask(track, 22, 2) for track in TRACKS])
    open_ground *= 1.0 - track_mask
    places = scatter((wood > 0.5) * 0.97, 17)
    stamp_trees(canvas, shade, places, rng.gamma(9.0, 1.45, len(places)).clip(6, 24))
    places = scatter(margins * (np.sin(XX / 260 + YY / 190 + COARSE) > 0.05) * (wood < 0.3) * open_ground, 11)
    stamp_trees(canvas, shade, places, rng.gamma(6.0, 1.2, len(places)).clip(3.5, 15))
    riverside = (to_river > half_width + 10) & (to_river < half_width + 34)
    places = scatter(riverside * open_ground * smoothstep(-0.3, 0.5, MEDIUM) * 0.7, 18)
    stamp_trees(canvas, shade, places, rng.gamma(7.0, 1.5, len(places)).clip(5, 18))
    places = scatter(village * open_ground * 0.20, 22)
    stamp_trees(canvas, shade, places, rng.gamma(6.0, 1.3, len(places)).clip(3.5, 14))
    angle = np.deg2rad(-14.0)
    gx, gy = np.meshgrid(np.arange(0, 330, 24.0), np.arange(0, 210, 24.0))
    orchard = np.stack([gx.ravel(), gy.ravel()], 1) @ np.array(
        [[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]
    )
    orchard = orchard + np.array([1215, 330]) + rng.normal(0, 1.2, orchard.shape)
    keep = (
        open_ground[
            np.clip(orchard[:, 1].astype(int), 0, H - 1), np.clip(orchard[:, 0].astype(int), 0, W - 1)
        ]
        > 0.5
    )
    orchard = orchard[keep & (rng.random(len(orchard)) < 0.95)]
    stamp_trees(canvas, shade, orchard, rng.normal(7.5, 0.8, len(orchard)).clip(5, 10))

    # Light: cool shadows, relief, cloud-dimmed ground far off, haze, optics, sensor.
    shadow = np.clip(shade, 0, 1)[..., None]
    canvas *= 1.0 - shadow * (1.0 - rgb(0.40, 0.45, 0.54))
    canvas *= (1.0 + 0.035 * blur(COARSE, 12.0))[..., None]
    small = canvas.reshape(HEIGHT, SCALE, WIDTH, SCALE, 3).mean((1, 3))
    grey = small @ rgb(0.30, 0.59, 0.11)
    small = grey[..., None] + 0.80 * (small - grey[..., None])
    small = small * 0.93 + rgb(13, 15, 19)
    image = Image.fromarray(np.clip(small, 0, 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(0.45))
    values = np.asarray(image, np.float32)
    values += rng.normal(0, 1.0, values.shape) * (0.55 + values / 210.0) * 0.8
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def main() -> None:
    """Write the scene."""
    default = Path(__file__).resolve().parent.parent / "resources" / "sample_scene.tif"
    out = Path(sys.argv[1]) if len(sys.argv) > 1 else default
    pixels = compose()
    with rasterio.open(
        out,
        "w",
        driver="GTiff",
        width=WIDTH,
        height=HEIGHT,
        count=3,
        dtype="uint8",
        crs="EPSG:32633",
        transform=from_origin(448_000.0, 5_411_000.0, METRES, METRES),
        photometric="RGB",
        tiled=True,
        blockxsize=256,
        blockysize=256,
        compress="deflate",
        predictor=2,
        zlevel=9,
    ) as dataset:
        dataset.write(pixels.transpose(2, 0, 1))
        dataset.update_tags(
            TIFFTAG_IMAGEDESCRIPTION="An imagined valley, drawn by make_sample_scene.py",
            TIFFTAG_COPYRIGHT="CC0 1.0",
        )
    print(f"{out}: {WIDTH} x {HEIGHT}, {out.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
