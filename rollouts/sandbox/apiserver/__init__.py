"""An API server in a process: its store, its verbs, and what it does to every object alike."""
