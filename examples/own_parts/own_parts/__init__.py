"""Parts for rr-refine: copy this package to begin your own."""
