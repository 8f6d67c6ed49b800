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
        "The peak is the span of the values that are coded: 255 for 8 bits, else the largest less the "
        "smallest (the widest of the bands), unless a range was asked for; identical images give infinity."
    ),
    "psnr_dtype": "The same against the range of the sample type (65535 for uint16); not for floating point.",
    "max_error": "Largest absolute difference of a valid sample, in the units of the samples.",
    "rmse": "Root of the mean squared difference of all valid samples, in the units of the samples.",
    "mean_error": "Mean of reconstruction − original over all valid samples, in their units: the bias.",
    "sam": (
        "Spectral angle (Kruse et al. 1993) between the bands of a pixel in original and reconstruction, in "
        "degrees: mean over the valid pixels where neither is zero. Of two bands and more."
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
