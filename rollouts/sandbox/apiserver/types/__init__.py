"""What objects look like: the built-in kinds and custom resources, their rules and their defaults."""
