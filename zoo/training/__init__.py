"""Training a run: sessions, callbacks, memory, speed."""
