"""The local trace store: OTLP in, Jaeger's query API and a page with each trace's calls over time out."""
