"""VVC-intra beside the codecs that ``fdegc evaluate`` has measured.

Usage::

    pip install imageio-ffmpeg
    python benchmarks/vvc.py OUT/images.csv SET... [--preset slower] [--metric ms_ssim_db]

SET are the folders that were evaluated.  Each of their images that has points in OUT/images.csv is coded by
VVenC (libvvenc of ffmpeg: one frame, without perceptual quantisation, one thread) at several QPs and decoded
by ffmpeg.  VVenC knows 4:2:0 alone: luma in ten bits, chroma in ten at half of the resolution, BT.709, full
range; means of 2 × 2 samples down and bicubic interpolation up.  Printed is the BD-rate of every codec in the
file against VVC: bits it needs at equal quality in percent of VVC's, mean of the images.
"""

from __future__ import annotations

import argparse
import csv
import shutil
import subprocess
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from fdegc.evaluation.bjontegaard import bd_rate
from fdegc.metrics import ms_ssim, ms_ssim_db, psnr

Pixels = npt.NDArray[np.uint8]
Plane = npt.NDArray[np.float64]

#: BT.709: red, green and blue to Y, Cb and Cr.
TO_YCC = np.array([[0.2126, 0.7152, 0.0722], [-0.1146, -0.3854, 0.5], [0.5, -0.4542, -0.0458]])
#: Largest number of ten bits, and the number that no colour is.
TOP, MIDDLE = 1023, 512
QPS = (19, 23, 27, 31, 35, 39, 43)


def ffmpeg() -> str:
    """The ffmpeg of imageio-ffmpeg, else the system's."""
    try:
        import imageio_ffmpeg
    except ImportError:
        found = shutil.which("ffmpeg")
        if found is None:
            raise SystemExit("There is no ffmpeg here: pip install imageio-ffmpeg") from None
        return found
    path: str = imageio_ffmpeg.get_ffmpeg_exe()
    return path


def _resized(plane: Plane, width: int, height: int, how: Image.Resampling) -> Plane:
    image = Image.fromarray(plane.astype(np.float32))
    return np.asarray(image.resize((width, height), how), np.float64)


def to_planes(pixels: Pixels) -> bytes:
    """Planes of 4:2:0 in ten bits of pixels (height, width, 3), both even."""
    height, width = pixels.shape[:2]
    ycc = (pixels / 255 @ TO_YCC.T * TOP).transpose(2, 0, 1)
    half = [_resized(plane, width // 2, height // 2, Image.Resampling.BOX) + MIDDLE for plane in ycc[1:]]
    planes = [np.rint(plane).clip(0, TOP).astype("<u2") for plane in (ycc[0], *half)]
    return b"".join(plane.tobytes() for plane in planes)


def to_pixels(planes: bytes, height: int, width: int) -> Pixels:
    """Pixels of what :func:`to_planes` makes."""
    samples = np.frombuffer(planes, "<u2").astype(np.float64)
    luma = samples[: height * width].reshape(height, width)
    half = samples[height * width :].reshape(2, height // 2, width // 2) - MIDDLE
    whole = [_resized(plane, width, height, Image.Resampling.BICUBIC) for plane in half]
    rgb = np.stack([luma, *whole], 2) / TOP @ np.linalg.inv(TO_YCC).T
    return np.rint(rgb * 255).clip(0, 255).astype(np.uint8)


def coded(program: str, pixels: Pixels, qp: int, preset: str) -> tuple[int, Pixels]:
    """Bytes of a picture as VVC, and its pixels then."""
    height, width = pixels.shape[:2]
    raw = ["-f", "rawvideo", "-pix_fmt", "yuv420p10le", "-s", f"{width}x{height}"]
    quiet = [program, "-hide_banner", "-loglevel", "error", "-y"]
    with tempfile.TemporaryDirectory() as folder:
        stream = str(Path(folder) / "a.266")
        encoder = ["-c:v", "libvvenc", "-preset", preset, "-qp", str(qp), "-qpa", "0", "-threads", "1"]
        subprocess.run(
            [*quiet, *raw, "-i", "-", "-frames:v", "1", *encoder, "-f", "vvc", stream],
            input=to_planes(pixels), check=True,
        )  # fmt: skip
        decoded = subprocess.run(
            [*quiet, "-i", stream, "-f", "rawvideo", "-pix_fmt", "yuv420p10le", "-"],
            capture_output=True, check=True,
        ).stdout  # fmt: skip
        return Path(stream).stat().st_size, to_pixels(decoded, height, width)


def figure(metric: str, pixels: Pixels, other: Pixels) -> float:
    """Figure of a picture in dB."""
    one, two = pixels.transpose(2, 0, 1), other.transpose(2, 0, 1)
    return psnr(one, two, 255) if metric == "psnr" else ms_ssim_db(ms_ssim(one, two))


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a row a codec."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("points", type=Path, metavar="IMAGES_CSV")
    parser.add_argument("sets", type=Path, nargs="+", metavar="SET")
    parser.add_argument("--preset", default="slower")
    parser.add_argument("--metric", default="psnr", choices=("psnr", "ms_ssim_db"))
    args = parser.parse_args(arguments)
    curves: dict[tuple[str, str], dict[str, list[tuple[float, float]]]] = defaultdict(
        lambda: defaultdict(list)
    )
    with args.points.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            point = float(row["bpp"]), float(row[args.metric])
            curves[row["set"], row["image"]][row["codec"]].append(point)
    program, rates = ffmpeg(), defaultdict(dict)
    for folder in args.sets:
        for (name, image), others in curves.items():
            if name != folder.name:
                continue
            pixels = np.asarray(Image.open(folder / image).convert("RGB"))
            pixels = pixels[: pixels.shape[0] & ~1, : pixels.shape[1] & ~1]
            vvc = []
            for qp in QPS:
                size, other = coded(program, pixels, qp, args.preset)
                vvc.append((size * 8 / pixels[..., 0].size, figure(args.metric, pixels, other)))
            for codec, points in others.items():
                delta = bd_rate(*zip(*sorted(vvc), strict=True), *zip(*sorted(points), strict=True)).value
                if delta is not None:
                    rates[codec][name, image] = delta
            line = ", ".join(f"{codec} {rates[codec][name, image]:+.1f} %" for codec in others
                             if (name, image) in rates[codec])  # fmt: skip
            print(f"{name}/{image}: {line}", flush=True)
    for codec, found in rates.items():
        values = list(found.values())
        low, high = min(values), max(values)
        print(f"{codec}: {np.mean(values):+.1f} % of {len(values)} images, {low:+.1f} to {high:+.1f}")


if __name__ == "__main__":
    main()
