"""The critic of the sketch world: what it writes, and the program that teaches it by PARROT."""
