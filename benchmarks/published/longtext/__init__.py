"""LongText-Bench: can a judge read the long texts in the picture? (X-Omni, arXiv 2507.22058)"""

from rr_refine.benchmarks.published.longtext.benchmark import LongTextLoader

__all__ = ["LongTextLoader"]
