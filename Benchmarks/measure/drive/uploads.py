"""The same file to Waybill."""

import json
import os
import sys
import threading
import time

from drive.wire import Wire


class Uploads:
    """Uploads to Waybill, as a client would make them."""

    def __init__(self, server, source, digest):
        self.server, self.source, self.digest, self.size = server, source, digest, source.stat().st_size
        self.file = os.open(source, os.O_RDONLY)

    def tus_headers(self, **more):
        return {**self.server.headers, "Tus-Resumable": "1.0.0", **{k.replace("_", "-"): v for k, v in more.items()}}

    def tus(self):
        wire = Wire(self.server.url)
        start = time.monotonic()
        _, fields, _ = wire.ask("POST", "/api/files/tus", self.tus_headers(Upload_Length=str(self.size)), expect=(201,))
        path = fields["location"].replace(self.server.url, "")
        wire.send(
            "PATCH", path, self.tus_headers(Upload_Offset="0", Content_Type="application/offset+octet-stream"), self.file, 0,
            self.size, expect=(204,))
        seconds = time.monotonic() - start
        self.check(wire, path.rsplit("/", 1)[1])
        return seconds

    def resumable(self):
        wire = Wire(self.server.url)
        start = time.monotonic()
        headers = {**self.server.headers, "Upload-Complete": "?1", "Content-Type": "application/octet-stream"}
        _, _, body = wire.send("POST", "/api/files/resumable?name=file.bin", headers, self.file, 0, self.size, expect=(201,))
        seconds = time.monotonic() - start
        self.check(wire, json.loads(body)["id"])
        return seconds

    def chunks(self, side_by_side=4):
        wire = Wire(self.server.url)
        asked = {"fileName": "file.bin", "fileSize": self.size, "contentType": "application/octet-stream", "hash": self.digest}
        start = time.monotonic()
        media = {**self.server.headers, "Content-Type": "application/json"}
        begun = json.loads(wire.ask("POST", "/api/files/upload/create", media, json.dumps(asked).encode())[2])
        indices, lock, broken = iter(range(begun["chunksCount"])), threading.Lock(), []

        def work():
            own = Wire(self.server.url)
            boundary = "----------------------------573cf973d5228"
            before = (
                "--%s\r\nContent-Disposition: form-data; name=\"chunk\"; filename=\"c\"\r\n"
                "Content-Type: application/octet-stream\r\n\r\n" % boundary).encode()
            after = ("\r\n--%s--\r\n" % boundary).encode()
            headers = {**self.server.headers, "Content-Type": "multipart/form-data; boundary=" + boundary}
            try:
                while True:
                    with lock:
                        index = next(indices, None)
                    if index is None:
                        break
                    place = index * begun["chunkSize"]
                    own.send(
                        "POST", "/api/files/upload/chunk/%s/%d" % (begun["taskId"], index), headers, self.file, place,
                        min(begun["chunkSize"], self.size - place), before, after)
            except BaseException as error:
                broken.append(error)
            own.close()

        threads = [threading.Thread(target=work) for _ in range(side_by_side)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if broken:
            raise broken[0]
        # What was not hashed yet, a job hashes behind this answer: it is waited for.
        while wire.ask("POST", "/api/files/upload/complete/" + begun["taskId"], self.server.headers, expect=(200, 202))[0] == 202:
            time.sleep(0.05)
        seconds = time.monotonic() - start
        self.check(wire, begun["taskId"])
        return seconds

    def check(self, wire, id):
        """The file has the hash that was computed beside; then it goes."""
        file = json.loads(wire.ask("GET", "/api/files/" + id, self.server.headers)[2])
        if file["hash"].split(":")[-1] != self.digest or file["size"] != self.size:
            sys.exit("the file that was stored is another one: %s" % file)
        wire.ask("DELETE", "/api/files/" + id, self.server.headers)
        wire.close()
