"""A simulation of the cluster's load over time: the autoscaler, queues, refusals and latency.

It advances in steps of a second and moves amounts of requests, not single ones: a ramp to a million requests
a second is some 450 million requests, which no simulation of single events finishes in a useful time. Within
a step, queues follow M/M/c theory; across steps, what a station cannot carry waits or is refused.
"""
