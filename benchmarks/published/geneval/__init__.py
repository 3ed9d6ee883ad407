"""GenEval: are the objects there, in the right number, colour and place? (arXiv 2310.11513)

Pictures are made and laid out here. The object detector that judges them is not part of this: run
the official `evaluation/evaluate_images.py` on an arm's folder, then `rr-refine bench score`.
"""

from rr_refine.benchmarks.published.geneval.benchmark import GenEvalLoader

__all__ = ["GenEvalLoader"]
