"""Rewriters: what the critic found in, better prompts out."""
