"""How the small models are trained, from nothing."""
