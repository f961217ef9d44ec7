"""Uploads a file with clients of tus that others have written: breaks off, goes on, and finishes. Prints the address of each upload,
whose file must then be that file."""

import asyncio
import os
import sys

URL, TOKEN, PATH = os.environ["TUS_URL"], os.environ["TUS_TOKEN"], os.environ["TUS_FILE"]
HEADERS = {"Authorization": f"Bearer {TOKEN}"}
CHUNK = 300_000


class Broken(Exception):
    """The client goes away."""


def tuspy():
    from tusclient import client

    half = client.TusClient(URL, headers=HEADERS).uploader(
        PATH, chunk_size=CHUNK, upload_checksum=True, metadata={"filename": "tuspy.bin"})
    half.upload(stop_at=2 * CHUNK)
    rest = client.TusClient(URL, headers=HEADERS).uploader(PATH, url=half.url, chunk_size=CHUNK, upload_checksum=True)
    assert rest.offset == 2 * CHUNK, rest.offset
    rest.upload()
    return half.url


class BreaksOff:
    """A file whose reader dies after some bytes."""

    def __init__(self, path, left):
        self.file, self.left = open(path, "rb"), left

    def seek(self, *place):
        return self.file.seek(*place)

    def read(self, count):
        if self.left <= 0:
            raise Broken
        self.left -= count
        return self.file.read(count)


async def aiotus_broken():
    import aiohttp
    import aiotus.core
    import aiotus.creation
    import yarl

    async with aiohttp.ClientSession() as session:
        with open(PATH, "rb") as file:
            url = await aiotus.creation.create(session, yarl.URL(URL), file, {"filename": b"aiotus.bin"}, headers=HEADERS)
        url = yarl.URL(URL).join(url)
        try:
            await aiotus.core.upload_buffer(session, url, BreaksOff(PATH, 2 * CHUNK), chunksize=CHUNK, headers=HEADERS)
            raise AssertionError("it did not break off")
        except Broken:
            pass
        assert await aiotus.core.offset(session, url, headers=HEADERS) == 2 * CHUNK
        with open(PATH, "rb") as file:
            await aiotus.core.upload_buffer(session, url, file, chunksize=CHUNK, headers=HEADERS)
        assert (await aiotus.core.metadata(session, url, headers=HEADERS))["filename"] == b"aiotus.bin"
    return str(url)


async def aiotus_parts():
    import io

    import aiohttp
    import aiotus
    import multidict

    class Absolute(aiohttp.ClientResponse):
        """aiotus takes absolute addresses alone, which the server gives where it knows its own."""

        @property
        def headers(self):
            fields = multidict.CIMultiDict(super().headers)
            if fields.get("Location", "").startswith("/"):
                fields["Location"] = str(self.url.origin()) + fields["Location"]
            return multidict.CIMultiDictProxy(fields)

    with open(PATH, "rb") as file:
        data = file.read()
    cuts = [0, 100_000, 700_000, len(data)]
    parts = [io.BytesIO(data[a:b]) for a, b in zip(cuts, cuts[1:])]
    async with aiohttp.ClientSession(response_class=Absolute) as session:
        url = await aiotus.upload_multiple(
            URL, parts, {"filename": b"parts.bin"}, client_session=session, headers=HEADERS, chunksize=CHUNK)
    assert url is not None, "the parts were not joined"
    return str(url)


def resumable_upload():
    from resumable_upload.client import TusClient

    for algorithm in ("sha1", "sha256", "sha512"):
        client = TusClient(URL, chunk_size=CHUNK, checksum=algorithm, headers=HEADERS)
        url = client.upload_file(PATH, metadata={"filename": f"{algorithm}.bin"}, stop_at=2 * CHUNK)
        assert client.get_upload_info(url)["offset"] == 2 * CHUNK
        again = TusClient(URL, chunk_size=CHUNK, checksum=algorithm, headers=HEADERS)
        again.resume_upload(PATH, url)
        assert again.get_upload_info(url)["complete"]
        yield url
    yield client.upload_file(PATH, metadata={"filename": "parallel.bin"}, parallel_uploads=4)
    partials = [client.create_partial_upload(PATH)]
    yield client.create_final_upload(partials, {"filename": "one.bin"})
    yield client.create_final_upload(partials, {"filename": "again.bin"})
    gone = client.upload_file(PATH, stop_at=CHUNK)
    client.delete_upload(gone)


def main():
    urls = [tuspy(), asyncio.run(aiotus_broken()), asyncio.run(aiotus_parts()), *resumable_upload()]
    print("\n".join(urls))


if __name__ == "__main__":
    sys.exit(main())
