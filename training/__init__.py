"""Training: the critic by PARROT, and what every training loop needs."""
