"""What the controller is told at its start: flags and environment, read once into a frozen value."""

from rollouts.settings.settings import Settings, SettingsError, help_text, parse, parse_or_exit

__all__ = ["Settings", "SettingsError", "help_text", "parse", "parse_or_exit"]
