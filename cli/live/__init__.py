"""The live view: a run on a terminal, as it goes."""
