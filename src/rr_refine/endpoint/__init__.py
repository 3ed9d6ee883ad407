"""OpenAI-compatible endpoints: one client, its options, and how their faults are named."""
