"""Benchmarks: many requests through several arms of the loop, graded, with intervals.

The general parts are here: items, arms, shared work, the engine, statistics and reports. The
folders below have the published benchmarks, and those of human preferences.
"""
