"""Loopback counts as secure transport, so that TLS-only policies of buckets and queues let local callers in.

A policy that denies `aws:SecureTransport: false` is right on AWS; on the laptop no packet leaves the machine.
"""


def install(_sagemaker_url: str) -> None:
    import ministack.app

    pin = ministack.app.pin_request_origin
    ministack.app.pin_request_origin = lambda address, _secure: pin(address, True)
