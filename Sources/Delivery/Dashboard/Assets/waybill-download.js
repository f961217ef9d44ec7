// Waybill's downloads for browsers: by ranges, several side by side, and going on after a break, a pause or a reload of the page.
//
//   import { Download } from "/client/waybill-download.js";
//
//   const download = new Download(id, { token });
//   download.addEventListener("progress", (event) => show(event.detail));
//   const blob = await download.start();
//
// `pause()`, `resume()` and `abort()` may be called at any time. What has arrived lies in the browser's IndexedDB until the file
// is whole: after a reload, `start()` with the same id goes on where it was.

import { Sha256, Transfer, UploadError } from "./waybill-upload.js";

const RANGE_BYTES = 4 << 20;

/** Why a download did not succeed. `status` and `code` are the server's, where it has answered. */
export class DownloadError extends UploadError {
  constructor(message, details) {
    super(message, details);
    this.name = "DownloadError";
  }
}

/**
 * A file of the drive on its way here. States: `new`, `receiving`, `paused`, `verifying`, `completed`, `failed`, `aborted`.
 *
 * Events: `statechange`, and `progress` with `{state, bytes, total, percent, bytesPerSecond, secondsLeft}` as its detail.
 */
export class Download extends Transfer {
  #id;
  #file;
  #etag;
  #ranges;

  /**
   * @param {string} id of the file
   * @param {object} options
   *   `token`: a bearer token, or a function that gives one, as often as it is asked;
   *   `url`: the server's address, this page's if left out; `password`: opens an encrypted file;
   *   `parallel`: how many ranges come side by side; `retries`: how many tries in a row may fail;
   *   `storage`: the IDBFactory that keeps what has arrived, `indexedDB` if left out, or null: then it is kept in memory.
   */
  constructor(id, options = {}) {
    super({ storage: globalThis.indexedDB, ...options });
    this.#id = id;
  }

  /** The file as the server describes it; known once it has begun. */
  get file() {
    return this.#file;
  }

  /** Ends it for good, and drops what has arrived. */
  async abort() {
    if (["completed", "failed", "aborted"].includes(this._state)) return;
    this._become("aborted");
    this._resumed.resolve();
    for (const request of this._requests) request.abort();
    await this.#ranges?.drop();
  }

  get _total() {
    return this.#file?.size ?? 0;
  }

  get _working() {
    return ["receiving"];
  }

  get _continued() {
    return "receiving";
  }

  get _aborted() {
    return new DownloadError("The download was aborted.", { status: 0 });
  }

  // What is done, in its order.

  async _run() {
    if (this._state === "new") this._become("receiving");
    this.#file = await this._retrying(() => this.#json(`/api/files/${this.#id}`));
    const digest = await this.#describe();
    this.#ranges = await Ranges.open(this._options.storage, `${this.#id} ${this.#file.size} ${this.#etag}`);
    try {
      await this.#receiveMissing();
      this._become("verifying");
      const blob = await this.#verified(digest);
      await this.#ranges.drop();
      this._stored = this.#file.size;
      this._open.clear();
      this._become("completed");
      return blob;
    } finally {
      this.#ranges.close();
    }
  }

  /** Learns of which bytes ranges are to be taken. Gives their SHA-256, which the server does not tell of an encrypted file. */
  async #describe() {
    if (this.#file.size === 0) return undefined;
    const answer = await this._retrying(() => this.#receive(0, 1));
    this.#etag = answer.etag;
    return answer.digest;
  }

  async #receiveMissing() {
    const { size } = this.#file;
    const end = (index) => Math.min(size, (index + 1) * RANGE_BYTES);
    const there = await this.#ranges.there();
    const missing = [];
    this._stored = 0;
    for (let index = 0; index * RANGE_BYTES < size; index += 1) {
      if (there.has(index)) this._stored += end(index) - index * RANGE_BYTES;
      else missing.push(index);
    }
    this._report();
    let failure;
    const worker = async () => {
      while (missing.length > 0 && !failure) {
        const index = missing.shift();
        try {
          const { blob } = await this._retrying(() => this.#receive(index * RANGE_BYTES, end(index), index));
          await this.#ranges.put(index, blob);
        } catch (error) {
          failure ??= error;
          return;
        }
        this._open.delete(index);
        this._stored += end(index) - index * RANGE_BYTES;
        this._report();
      }
    };
    await Promise.all(Array.from({ length: Math.max(1, this._options.parallel) }, worker));
    if (failure) throw failure;
  }

  /** Puts the ranges together, and holds them against the server's SHA-256. */
  async #verified(digest) {
    const blob = new Blob(await this.#ranges.all(Math.ceil(this.#file.size / RANGE_BYTES)), { type: this.#file.contentType });
    const hash = new Sha256();
    const reader = blob.stream().getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      hash.update(value);
      await this._whileRunning();
    }
    if (blob.size === this.#file.size && (digest === undefined || digest === hash.hex())) return blob;
    await this.#ranges.drop();
    throw new DownloadError("What has arrived is not the file that the server described.", { status: 0 });
  }

  // Requests.

  /** One range. If the file has become another one meanwhile, that is an error. */
  async #receive(start, end, index) {
    const fields = { range: `bytes=${start}-${end - 1}`, ...this._password };
    if (this.#etag) fields["if-range"] = this.#etag;
    return this.#fetch(`/api/files/${this.#id}/content`, fields, async (answer) => {
      const etag = answer.headers.get("etag");
      if (answer.status !== 206 || !etag || (this.#etag && etag !== this.#etag)) {
        throw new DownloadError("The file has become another one.", { status: answer.status });
      }
      const chunks = [];
      let bytes = 0;
      const reader = answer.body.getReader();
      for (;;) {
        const { done, value } = await reader.read();
        if (done) break;
        chunks.push(value);
        bytes += value.length;
        if (index !== undefined) {
          this._open.set(index, bytes);
          this._report();
        }
      }
      if (bytes !== end - start) throw new DownloadError("The connection broke off.");
      return { etag, digest: sha256(answer.headers.get("repr-digest")), blob: new Blob(chunks) };
    });
  }

  #json(path) {
    return this.#fetch(path, {}, (answer) => answer.json());
  }

  /** One request, with its whole body. Rejects with a DownloadError unless the answer is a success. */
  async #fetch(path, fields, read) {
    const request = new AbortController();
    const headers = { ...(await this._credentials()), ...fields };
    this._requests.add(request);
    try {
      const answer = await fetch(this._options.url + path, { headers, signal: request.signal, cache: "no-store" });
      if (answer.ok) return await read(answer);
      const problem = await answer.json().catch(() => undefined);
      throw new DownloadError(problem?.detail ?? `The server answered ${answer.status}.`, {
        status: answer.status, code: problem?.code, retryAfter: Number(answer.headers.get("retry-after")) || undefined,
      });
    } catch (error) {
      if (error instanceof UploadError) throw error;
      throw new DownloadError("The server can't be reached.");
    } finally {
      this._requests.delete(request);
    }
  }
}

/** The ranges of one file that have arrived. */
class Ranges {
  static #store = "ranges";
  #database;
  #name;
  #kept = new Map();

  /** @param {IDBFactory} storage */
  static async open(storage, name) {
    const ranges = new Ranges();
    ranges.#name = name;
    if (!storage) return ranges;
    const opening = storage.open("waybill-downloads", 1);
    opening.onupgradeneeded = () => opening.result.createObjectStore(Ranges.#store);
    ranges.#database = await done(opening);
    return ranges;
  }

  /** The numbers of those that are there. */
  async there() {
    if (!this.#database) return new Set(this.#kept.keys());
    const keys = await done(this.#records("readonly").getAllKeys(this.#all));
    return new Set(keys.map(([, index]) => index));
  }

  async put(index, blob) {
    if (this.#database) await done(this.#records("readwrite").put(blob, [this.#name, index]));
    else this.#kept.set(index, blob);
  }

  async all(count) {
    if (!this.#database) return Array.from({ length: count }, (_, index) => this.#kept.get(index));
    return done(this.#records("readonly").getAll(this.#all));
  }

  async drop() {
    this.#kept.clear();
    if (this.#database) await done(this.#records("readwrite").delete(this.#all));
  }

  close() {
    this.#database?.close();
    this.#database = undefined;
  }

  get #all() {
    return IDBKeyRange.bound([this.#name, 0], [this.#name, Infinity]);
  }

  #records(mode) {
    return this.#database.transaction(Ranges.#store, mode).objectStore(Ranges.#store);
  }
}

/** What an IDBRequest comes to. */
function done(request) {
  return new Promise((fulfil, reject) => {
    request.onsuccess = () => fulfil(request.result);
    request.onerror = () => reject(new DownloadError(`What has arrived can't be kept: ${request.error?.message}`, { status: 0 }));
  });
}

/** The member `sha-256` of a dictionary of digests (RFC 9530), in hexadecimal digits. */
function sha256(field) {
  const base64 = /(?:^|,)\s*sha-256=:([A-Za-z0-9+/]{43}=):/.exec(field ?? "")?.[1];
  return base64 && Array.from(atob(base64), (letter) => letter.charCodeAt(0).toString(16).padStart(2, "0")).join("");
}
