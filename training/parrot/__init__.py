"""PARROT: from pairwise preferences to the critic's training data (arXiv 2604.11626, section 3)."""
