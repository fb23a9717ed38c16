"""The command line: one file per noun; heavy modules are imported inside functions."""
