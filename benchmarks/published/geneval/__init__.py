"""GenEval: are the objects there, as many, so coloured and so placed? (arXiv 2310.11513)

Pictures are made and laid out; they are judged by an object detector, which is not part of this:
run the official `evaluation/evaluate_images.py` on an arm's folder, and have its results scored.
"""

from __future__ import annotations

from rr_refine.benchmarks.published.geneval.benchmark import SUITES, GenEval, GenEvalLoader, load
from rr_refine.benchmarks.published.geneval.files import official_parse

__all__ = ["SUITES", "GenEval", "GenEvalLoader", "load", "official_parse"]
