"""A visitor's short way over the gateway that the first argument names; ends at the first wrong answer."""

import json
import ssl
import sys
import urllib.error
import urllib.request

# The certificate is for the public name, and this goes to a pod.
TLS = ssl.create_default_context()
TLS.check_hostname = False
TLS.verify_mode = ssl.CERT_NONE
STEPS = (
    ("/health", 200),
    ("/ready", 200),
    ("/api/v1/internships", 200),
    ("/.well-known/jwks.json", 200),
    ("/api/v1/internships/int_unknown", 400),
    ("/api/v1/applications", 401),
)


def main(gateway: str) -> None:
    """Take every step; exit with a sentence that names the wrong one."""
    for path, expected in STEPS:
        status, body = fetch(gateway + path)
        if status != expected:
            sys.exit(f"GET {path} answered {status}, not {expected}: {body[:500]!r}")
        print(f"GET {path} answered {status}")
    data = json.loads(fetch(f"{gateway}/api/v1/internships")[1]).get("data", [])
    print(f"{len(data)} internships on the first page")


def fetch(url: str) -> tuple[int, bytes]:
    """Return status and body of a GET."""
    try:
        with urllib.request.urlopen(url, timeout=10, context=TLS) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


if __name__ == "__main__":
    main(sys.argv[1])
