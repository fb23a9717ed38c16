"""Which engine is loaded where, which one works, and what becomes of its process."""
