"""The studio: the loop on a local page in the browser (`rr-refine studio`)."""
