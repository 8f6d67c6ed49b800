"""Whether a picture was made of wavelets: traces that halving by the 9/7 transform leaves in it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Float32Array = npt.NDArray[np.float32]

#: High-pass filter of the analysis, 9/7 of Cohen, Daubechies and Feauveau (Rec. ITU-T T.800, annex F).
_HIGH_PASS = np.array([0.0456359, -0.0287718, -0.2956359, 0.5575435], np.float32)
#: Of so many rows or columns one is looked at.
_APART = 4


def detail_ratio(planes: Float32Array) -> float:
    """Details at odd samples over those at even ones: about 1, and less of what was JPEG 2000 before.

    A coder of wavelets keeps details at odd samples, and rounds the small ones to zero.  So they are missing
    in what it decodes to, as long as nobody moves or scales that, or codes it in another way.

    Parameters
    ----------
    planes : ndarray of float32, shape (bands, height, width)

    Returns
    -------
    float
        Of mean magnitudes, along rows and columns together; 1 where there are none.
    """
    odd = even = 0.0
    for lines in (planes[:, ::_APART], planes.swapaxes(1, 2)[:, ::_APART]):
        count = lines.shape[2] - 6
        if count < 2:
            continue
        taps = np.concatenate([_HIGH_PASS, _HIGH_PASS[-2::-1]])
        found = sum(tap * lines[:, :, at : at + count] for at, tap in enumerate(taps))
        sizes = np.abs(np.asarray(found))  # the first one's middle is sample 3
        odd += float(sizes[:, :, 0::2].mean())
        even += float(sizes[:, :, 1::2].mean())
    return odd / even if even > 0 else 1.0
