"""Checks of the Helm chart: every set of values is rendered, validated and held to our own rules."""
