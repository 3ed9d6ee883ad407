"""How well a critic agrees with people about which of two pictures is better."""
