"""The local log store: rsyslog ships the processes' JSON lines to a server with OpenSearch's API."""
