"""The small world of coloured shapes: its models, its oracle, its training, its benchmark."""
