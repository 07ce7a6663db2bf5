"""Pure. The manifest as Python values: fields, what an absent one means, what may not be said, and the CRDs."""
