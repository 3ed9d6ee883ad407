"""The sketch benchmark: held-out requests of the sketch world, graded by its oracle."""
