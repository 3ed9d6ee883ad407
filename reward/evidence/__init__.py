"""Evidence: what can be measured in a picture, beside what a critic says of it."""
