"""Benchmarks: many requests through several arms of the loop, graded, with intervals.

What is general is here: items, arms, shared work, the engine, statistics and reports. A folder
below has what one benchmark asks for and how it is graded.
"""
