"""A run without engines: what the scheduler's rule does with a panel, a machine and a suite, in simulated seconds."""
