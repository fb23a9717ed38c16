"""Loaded models behind one contract: `base` says what an engine is, one file per engine says how."""
