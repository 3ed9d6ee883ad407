"""The studio: the same loop on a local page in the browser (`rr-refine studio`)."""
