"""Diffusion RL: a critic's scores as the reward that a generator is trained by (DiffusionNFT)."""
