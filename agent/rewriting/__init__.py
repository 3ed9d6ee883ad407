"""Rewriters: from a critique to better prompts."""
