"""ImgEdit-Bench: edits of photographs, graded by a judge on a scale from 1 to 5.

PKU-YuanGroup/ImgEdit (arXiv 2505.20275), suites Basic and UGE; its third, of several turns, has no
official script. The repository names no licence: the user's own copy is read, nothing of it is
shipped.
"""

from rr_refine.benchmarks.published.imgedit.benchmark import ImgEditLoader

__all__ = ["ImgEditLoader"]
