"""Reads a bucket over the S3 protocol, so that the server's own client is not its judge."""

import datetime
import hashlib
import hmac
import http.client
import urllib.parse
import xml.etree.ElementTree as tree


class Bucket:
    """A part of a bucket, below a prefix."""

    def __init__(self, seaweed, prefix):
        self.seaweed, self.prefix = seaweed, prefix + "/"
        self.connection = http.client.HTTPConnection("127.0.0.1", seaweed.port, timeout=60)

    def keys(self, folder):
        """The keys below a folder, without the prefix."""
        found, token = set(), None
        while True:
            query = {"list-type": "2", "prefix": "%s%s/" % (self.prefix, folder), "max-keys": "1000"}
            if token:
                query["continuation-token"] = token
            status, body = self._call("GET", "", query)
            if status == 404:
                return found
            if status != 200:
                raise OSError("a listing of the bucket: %d %s" % (status, body[:300]))
            root = tree.fromstring(body)
            space = root.tag[:-len("ListBucketResult")]
            found |= {
                entry.find(space + "Key").text[len(self.prefix):] for entry in root.findall(space + "Contents")}
            token = root.findtext(space + "NextContinuationToken")
            if root.findtext(space + "IsTruncated") != "true":
                return found

    def unfinished(self):
        """Uploads in parts that were begun and not ended: a list of (key without the prefix, seconds since then)."""
        found, marker = [], {}
        while True:
            status, body = self._call("GET", "", {"uploads": "", "prefix": self.prefix, "max-uploads": "1000", **marker})
            if status == 404:
                return found
            if status != 200:
                raise OSError("a listing of unfinished uploads: %d %s" % (status, body[:300]))
            root = tree.fromstring(body)
            space = root.tag[:-len("ListMultipartUploadsResult")]
            for upload in root.findall(space + "Upload"):
                began = datetime.datetime.fromisoformat(upload.findtext(space + "Initiated").replace("Z", "+00:00"))
                age = datetime.datetime.now(datetime.timezone.utc) - began
                found.append((upload.findtext(space + "Key")[len(self.prefix):], age.total_seconds()))
            if root.findtext(space + "IsTruncated") != "true":
                return found
            marker = {
                "key-marker": root.findtext(space + "NextKeyMarker"), "upload-id-marker": root.findtext(space + "NextUploadIdMarker")}

    def read(self, key):
        """Its bytes; None if it is not there."""
        status, body = self._call("GET", self.prefix + key, {})
        if status == 404:
            return None
        if status != 200:
            raise OSError("%s: %d %s" % (key, status, body[:300]))
        return body

    def _call(self, method, key, query):
        path = "/" + urllib.parse.quote("%s/%s" % (self.seaweed.bucket, key) if key else self.seaweed.bucket)
        text = "&".join(
            "%s=%s" % (urllib.parse.quote(name, safe=""), urllib.parse.quote(value, safe="")) for name, value in sorted(query.items()))
        self.connection.request(method, path + ("?" + text if text else ""), headers=self._signed(method, path, text))
        answer = self.connection.getresponse()
        return answer.status, answer.read()

    def _signed(self, method, path, query):
        """Headers with a signature, version 4, over an empty body."""
        now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
        empty = hashlib.sha256(b"").hexdigest()
        headers = {"host": "127.0.0.1:%d" % self.seaweed.port, "x-amz-content-sha256": empty, "x-amz-date": now}
        names = ";".join(sorted(headers))
        lines = "".join("%s:%s\n" % (name, headers[name]) for name in sorted(headers))
        canonical = "\n".join((method, path, query, lines, names, empty))
        scope = "%s/%s/s3/aws4_request" % (now[:8], self.seaweed.region)
        key = ("AWS4" + self.seaweed.secret_key).encode()
        for part in scope.split("/"):
            key = hmac.new(key, part.encode(), hashlib.sha256).digest()
        text = "\n".join(("AWS4-HMAC-SHA256", now, scope, hashlib.sha256(canonical.encode()).hexdigest()))
        signature = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
        return {**headers, "authorization": "AWS4-HMAC-SHA256 Credential=%s/%s, SignedHeaders=%s, Signature=%s" % (
            self.seaweed.access_key, scope, names, signature)}
