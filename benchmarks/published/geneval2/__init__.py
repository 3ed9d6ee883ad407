"""GenEval 2: a question about every object, attribute, count and relation (arXiv 2512.16853)."""

from rr_refine.benchmarks.published.geneval2.benchmark import GenEval2Loader

__all__ = ["GenEval2Loader"]
