"""Pure. Where an update stands, and what has to be so before it goes on: steps, pauses, gates and switches."""
