"""What schemathesis cannot know of the manager by its document alone."""

import os
import re
import uuid

import schemathesis

OWN = os.environ["SAKIMORI_API_KEY"].split("_")[1]
KEY = re.compile(r"[!#-~]{1,255}")


@schemathesis.serializer("application/vnd.debian.binary-package")
def package(context, value):
    """Sends a package as its bytes."""
    return value if isinstance(value, bytes) else str(value).encode()


@schemathesis.hook
def before_call(context, case, kwargs):
    """Lets a request reach what lies behind the headers that depend on earlier ones.

    An Idempotency-Key that was used before is answered by what was answered before: each request gets one of its own.
    One that is no key stays as it is, and has to be refused. An If-Match fits any revision. The API key of the run is not
    deleted: without it nothing but 401 would be seen.
    """
    headers = case.headers or {}
    key = headers.get("Idempotency-Key")
    if isinstance(key, str) and KEY.fullmatch(key):
        headers["Idempotency-Key"] = str(uuid.uuid4())
    if isinstance(headers.get("If-Match"), str):
        headers["If-Match"] = "*"
    path = case.path_parameters or {}
    if "/api-keys/" in case.path and str(path.get("id", "")).replace("-", "") == OWN.replace("-", ""):
        path["id"] = str(uuid.uuid4())
