"""The transformers engine's inside: loading, keys and values, prefill, sampling, one batch."""
