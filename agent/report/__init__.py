"""The report of a run, and the gallery of many: pages that are derived from run folders."""
