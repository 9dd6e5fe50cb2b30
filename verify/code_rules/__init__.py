"""The project's own rules for Python code, checked on syntax trees."""
