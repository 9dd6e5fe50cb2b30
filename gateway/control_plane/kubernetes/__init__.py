"""A small client of the Kubernetes API: lists objects of one kind and follows their changes.

It stands on aiohttp. The maintained clients do not keep a list in step by themselves (lightkube), or try
again after 410 Gone only once and take 40 MB of memory (kubernetes_asyncio).
"""
