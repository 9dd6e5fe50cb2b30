"""Rules for the CDN in front of the gateway, made from the same contracts as the gateway's own."""
