"""What every figure means, in the words shown in tooltips, JSON and reports."""

from __future__ import annotations

#: Metric name → definition of one or two sentences.
DEFINITIONS: dict[str, str] = {
    "bytes": "Size of the whole compressed file in bytes, headers and metadata included.",
    "bpp": "Bits per pixel: bytes of the whole file × 8 / (width × height), whatever the number of bands.",
    "ratio": "Bytes of the uncompressed samples / bytes of the compressed file.",
    "encode_time": (
        "Wall-clock seconds of everything needed to write the file, "
        "without the reconstruction shown in the preview."
    ),
    "decode_time": "Wall-clock seconds from reading the file to the last reconstructed pixel.",
    "psnr": (
        "Peak signal-to-noise ratio in dB over all valid pixels and coded bands jointly, on decoded samples. "
        "The peak is that of the sample type (255 for 8 bits); identical images give infinity."
    ),
    "ms_ssim": (
        "Multi-scale structural similarity (Wang et al. 2003): five scales, Gaussian window 11 px / σ 1.5, "
        "data range 255, mean over the bands; also given as −10·log10(1 − v) dB. "
        "Undefined below 161 px a side."
    ),
    "vifp": (
        "Visual information fidelity in the pixel domain (Sheikh & Bovik 2006): four scales, BT.601 luma on "
        "0–255, noise variance 2; 1 means no loss. It is another number than the steerable-pyramid VIF."
    ),
    "lpips": (
        "Learned perceptual distance (Zhang et al. 2018), AlexNet v0.1 on [−1, 1]; 0 means identical, "
        "lower is better. Its backbone weights are used from the local cache."
    ),
}
