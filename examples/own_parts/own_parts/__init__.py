"""Parts for rr-refine: copy this package to start your own."""
