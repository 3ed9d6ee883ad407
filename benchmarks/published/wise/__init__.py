"""WISE (Verified): pictures that take knowledge of the world (arXiv 2503.07265)."""

from rr_refine.benchmarks.published.wise.benchmark import WiseLoader

__all__ = ["WiseLoader"]
