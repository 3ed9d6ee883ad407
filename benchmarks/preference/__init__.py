"""How well a critic agrees with people: pairs of pictures, and which of them they preferred."""
