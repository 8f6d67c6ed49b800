"""Wishes turned into requests, answers into state: coding, pictures, metrics, pixel values, exports."""
