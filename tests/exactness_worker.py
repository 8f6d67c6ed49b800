"""One process of the exactness matrix (``tests/unit/test_exactness.py``), in the environment it is given.

python exactness_worker.py code FOLDER TAG     write FOLDER/TAG-<threads>.fdegc, then decode
python exactness_worker.py decode FOLDER       print a JSON object: file → digests of its latents
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import torch
from sharing import share_network

from fdegc.codec import Codec
from fdegc.options import EncodeOptions
from fdegc.raster import ArraySource

#: Workers of a codec.
THREADS = (1, 2)
#: Tiles whose wavefronts advance together: one, three, all.
BATCHES = (1, 3, 1000)


def scene() -> np.ndarray:
    """Texture at many scales, 170 × 100: six tiles of 64, those at the edges smaller."""
    rng = np.random.default_rng(11)
    rows, cols = np.mgrid[0:100, 0:170]
    out = np.zeros((3, 100, 170))
    for octave in range(1, 7):
        grain = rng.normal(size=(3, 100 // 2**octave + 2, 170 // 2**octave + 2))
        out += grain[:, rows // 2**octave, cols // 2**octave] * 1.6**octave
    out = 128 + 60 * out / out.std()
    return np.clip(out, 0, 255).astype(np.uint8)


def encode(folder: Path, tag: str) -> None:
    """Write the scene once for each number of workers, all by the network; equal files are kept once."""
    for threads in THREADS:
        codec = Codec(device="cpu", threads=threads)
        path = folder / f"{tag}-{threads}.fdegc"
        others = {other.read_bytes() for other in folder.glob("*.fdegc")}
        codec.encode(ArraySource(scene()), path, EncodeOptions(3.7, tile_size=64, check=False))
        if path.read_bytes() in others:
            path.unlink()


def decode(folder: Path) -> None:
    """Decode every file to its latents, for each number of workers and size of batch."""
    codecs = [(n, Codec(device="cpu", batch=batch, threads=n)) for batch in BATCHES for n in THREADS]
    digests: dict[str, list[str | None]] = {}
    for path in sorted(folder.glob("*.fdegc")):
        for threads, codec in codecs:
            torch.set_num_threads(sum(THREADS) - threads)  # what torch is told elsewhere is no matter
            digests.setdefault(path.name, []).append(codec.verify(path).digest)
    print(json.dumps(digests))


if __name__ == "__main__":
    share_network()
    if sys.argv[1] == "code":
        encode(Path(sys.argv[2]), sys.argv[3])
    decode(Path(sys.argv[2]))
