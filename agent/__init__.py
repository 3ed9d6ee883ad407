"""The loop: state, nodes, acceptance, stopping, rewriting, budgets, and the record of a run."""
