"""The oracle: reads a picture back into a scene by classical vision, and grades it."""
