"""The run folder, and the files in it."""
