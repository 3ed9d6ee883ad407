"""PICABench: does an edit obey physics? (arXiv 2510.17681; data set Andrew613/PICABench, 900 rows.)

An item is a row of the published parquet; a suite is one of its three prompts. A judge answers
yes-no questions about regions of the edited picture. An item's accuracy is the share of right
answers, and the overall value is the mean over items.

The official `prepare_meta_info.py` drops the prompt and the difficulty. What is laid out here fits
it all the same (`--output_name_pattern "{index:05d}.png"`, or it may take a stray `.jpg` first),
but it is not needed: `PicaBench.write_judgements` writes a whole `meta_info.json`.
"""

from rr_refine.benchmarks.published.picabench.benchmark import PicaBenchLoader

__all__ = ["PicaBenchLoader"]
