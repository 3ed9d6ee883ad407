"""The report of a run, and the gallery of many: pages made from run folders."""
