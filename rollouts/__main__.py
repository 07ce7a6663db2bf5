"""`python -m rollouts`, and the entry point of the executable `rollouts`."""

from rollouts.cli.main import main

if __name__ == "__main__":
    main()
