"""Leads half of the generated requests to what the server really has, so that they reach further than a 404."""

import os
import random

import schemathesis

CHOICE = random.Random(1)
JOBS = os.environ["WAYBILL_JOBS"].split()
RESTORES = os.environ["WAYBILL_RESTORES"].split()
PASSPHRASE = "correct horse battery"
JSON_FILES = ("/content/export/{jobId}/download", "/backup/jobs/{jobId}/archives/{name}")
KNOWN = {
    "jobId": JOBS, "type": ["article", "note"], "id": ["a1", "a2", "new"],
    "name": ["manifest.json", "items-article.csv", "notices.csv.gz.age"],
}


@schemathesis.serializer("application/offset+octet-stream")
def bytes_of_an_upload(context, value):
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "replace")


@schemathesis.hook
def map_headers(context, headers):
    # A piece of a JSON file is no JSON, which it would be held to be.
    if headers and context.operation is not None and context.operation.path in JSON_FILES:
        return {name: value for name, value in headers.items() if name.lower() != "range"}
    return headers


@schemathesis.hook
def map_path_parameters(context, path_parameters):
    operation = context.operation
    if not path_parameters or operation is None:
        return path_parameters
    # The types and keys that the others need are not deleted.
    spared = operation.method.upper() == "DELETE" and operation.path in (
        "/content/types/{type}", "/tenants/{tenant}", "/backup/jobs/{jobId}", "/backup/restores/{id}")
    for name, values in KNOWN.items():
        if name == "id" and operation.path.startswith("/backup/restores"):
            values = RESTORES
        if name in path_parameters and not spared and CHOICE.random() < 0.6:
            path_parameters[name] = CHOICE.choice(values)
    return path_parameters


@schemathesis.hook
def map_body(context, body):
    operation = context.operation
    if operation is None or not isinstance(body, dict) or CHOICE.random() < 0.4:
        return body
    place = f"{operation.method.upper()} {operation.path}"
    if place == "POST /content/export":
        kept = {name: body[name] for name in ("format", "compression", "onError", "filename", "partRows") if name in body}
        return {**kept, "contentType": CHOICE.choice(["article", "note"])}
    if place == "PUT /content/types/{type}/items/{id}":
        return {"title": str(next(iter(body.values()), "")), "year": CHOICE.randrange(-(2**40), 2**40)}
    if place == "POST /backup/restores/{id}/start":
        return {"passphrase": PASSPHRASE, "dryRun": CHOICE.random() < 0.7} if CHOICE.random() < 0.5 else {"dryRun": True}
    if place == "POST /backup/schedule":
        return CHOICE.choice([{}, {"passphrase": PASSPHRASE}, {"cron": "0 3 * * *"}, {"entities": ["content"]}])
    return body
