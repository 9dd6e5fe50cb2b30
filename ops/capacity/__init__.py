"""The capacity plan: sizes of a cluster for a number of users and requests, and a simulation of its load."""
