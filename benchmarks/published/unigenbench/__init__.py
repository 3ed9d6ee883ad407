"""UniGenBench: prompts with testpoints, four pictures each, a judge that says 0 or 1 to each point.

CodeGoat24/UniGenBench (arXiv 2508.20751, 2510.18701). Its prompt files are CC BY 4.0; the user's
own copy is read, nothing of it is shipped.
"""

from rr_refine.benchmarks.published.unigenbench.benchmark import UniGenBenchLoader

__all__ = ["UniGenBenchLoader"]
