"""GEdit-Bench: edits that users asked for, in English and Chinese, graded by VIEScore.

stepfun-ai/Step1X-Edit (arXiv 2504.17761); data set stepfun-ai/GEdit-Bench (MIT), of which the
user's own copy is read.
"""

from rr_refine.benchmarks.published.gedit.benchmark import GEditLoader

__all__ = ["GEditLoader"]
