"""Chaos: users at work while faults are injected, and checks that nothing acknowledged is lost."""
