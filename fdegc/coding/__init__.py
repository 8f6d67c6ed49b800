"""From latents to bytes and back: exact probabilities, wavefront order, range coding.

The network's parameters arrive as integers (:class:`fdegc.coding.integers.EntropyWeights`).
"""
