"""Published benchmarks, one folder each."""
