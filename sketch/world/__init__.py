"""The sketch world: coloured shapes that small models can draw, judge and be graded on.

A scene is a typed value. From it come a picture (`drawing`) and requests in several registers
(`phrasing`); a request can be read back (`reading`), and classical vision (`oracle`) reads a
picture back into a scene. Nothing here knows a model.
"""
