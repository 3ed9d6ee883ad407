"""OpenAI-compatible endpoints: one client for chat and images, its options and its faults."""
