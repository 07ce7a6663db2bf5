"""Where numbers come from: one module for each kind of metric provider."""
