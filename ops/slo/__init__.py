"""The service level objectives: one table, from which rules, alerts and their pages are made."""
