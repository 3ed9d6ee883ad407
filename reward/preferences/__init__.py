"""Preference data: published files read into pairs of pictures with a choice."""
