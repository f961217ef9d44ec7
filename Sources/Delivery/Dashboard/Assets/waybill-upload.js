// Waybill's uploads for browsers: in chunks, several side by side, and going on after a break, a pause or a reload of the page.
//
//   import { Upload } from "/client/waybill-upload.js";
//
//   const upload = new Upload(file, { token });
//   upload.addEventListener("progress", (event) => show(event.detail));
//   const stored = await upload.start();
//
// `pause()` and `resume()` may be called at any time; `abort()` takes the upload back at the server. After a reload, `start()` with the
// same file goes on where it was: the server is asked for an upload of the same name, size and SHA-256 that has not ended.

const READ_BYTES = 1 << 20;
const RATE_MILLISECONDS = 10_000;

/** Why an upload did not succeed. `status` and `code` are the server's, where it has answered. */
export class UploadError extends Error {
  constructor(message, { status, code, retryAfter } = {}) {
    super(message);
    this.name = "UploadError";
    this.status = status;
    this.code = code;
    this.retryAfter = retryAfter;
  }

  /** Whether the same request may well succeed a little later. */
  get isTransient() {
    return this.status === undefined || [429, 502, 503, 504].includes(this.status);
  }
}

/**
 * What an upload and a download have in common: states, pauses, further tries, and what is told of them. Who extends it has
 * `_run()`, which does the work, `_total` for its bytes, `_working` for the states in which it may pause, `_continued` for the one
 * in which it goes on then, and `_aborted` for the error that aborting it ends in.
 */
export class Transfer extends EventTarget {
  _options;
  _state = "new";
  _stored = 0;
  _open = new Map();
  _requests = new Set();
  _notes = [];
  _resumed = Promise.withResolvers();
  _result;

  constructor(options) {
    super();
    this._options = { url: "", parallel: 4, retries: 10, ...options };
    this._resumed.resolve();
  }

  get state() {
    return this._state;
  }

  /** Begins, or goes on with what was begun before. Fulfils with what came of it. */
  start() {
    this._result ??= this._run().catch((error) => {
      if (this._state !== "aborted") this._become("failed");
      throw error;
    });
    return this._result;
  }

  /** Moves nothing until `resume()`. What is on its way is broken off; what has arrived stays. */
  pause() {
    if (!["new", ...this._working].includes(this._state)) return;
    this._resumed = Promise.withResolvers();
    this._become("paused");
    for (const request of this._requests) request.abort();
  }

  resume() {
    if (this._state !== "paused") return;
    this._notes = [];
    this._become(this._continued);
    this._resumed.resolve();
  }

  /** Does something until it succeeds, is refused for good, or too many tries in a row have failed. Pauses don't count. */
  async _retrying(action) {
    for (let failures = 0; ; ) {
      await this._whileRunning();
      try {
        return await action();
      } catch (error) {
        if (this._state === "aborted") throw this._aborted;
        if (this._state === "paused") continue;
        failures += 1;
        if (!(error instanceof UploadError) || !error.isTransient || failures > this._options.retries) throw error;
        const seconds = error.retryAfter ?? Math.min(15, 0.5 * 2 ** (failures - 1));
        await new Promise((fulfil) => setTimeout(fulfil, Math.min(seconds, 60) * 1000));
      }
    }
  }

  async _whileRunning() {
    while (this._state === "paused") await this._resumed.promise;
    if (this._state === "aborted") throw this._aborted;
  }

  // What is told.

  _become(state) {
    if (this._state === "aborted" || this._state === state) return;
    this._state = state;
    this.dispatchEvent(new Event("statechange"));
    this._report();
  }

  _report(bytes = this._stored + [...this._open.values()].reduce((sum, sent) => sum + sent, 0)) {
    const now = performance.now();
    const total = this._total;
    const last = this._notes.at(-1);
    if (last && bytes < last.bytes) this._notes = [];
    this._notes.push({ now, bytes });
    while (this._notes.length > 2 && now - this._notes[1].now > RATE_MILLISECONDS) this._notes.shift();
    const first = this._notes[0];
    const isMoving = now - first.now >= 500 && bytes > first.bytes;
    const bytesPerSecond = isMoving ? ((bytes - first.bytes) / (now - first.now)) * 1000 : undefined;
    const detail = {
      state: this._state, bytes, total, percent: total > 0 ? Math.min(100, (bytes / total) * 100) : 100,
      bytesPerSecond, secondsLeft: bytesPerSecond ? (total - bytes) / bytesPerSecond : undefined,
    };
    this.dispatchEvent(new CustomEvent("progress", { detail }));
  }

  /** The header fields that say who asks. */
  async _credentials() {
    const { token } = this._options;
    const bearer = typeof token === "function" ? await token() : token;
    return bearer ? { authorization: `Bearer ${bearer}` } : {};
  }

  /** The header field with the password, as a byte sequence (RFC 9651), which takes any text. */
  get _password() {
    const { password } = this._options;
    if (password === undefined) return {};
    return { "file-password": `:${btoa(String.fromCharCode(...new TextEncoder().encode(password)))}:` };
  }
}

/**
 * One file on its way to the drive. States: `new`, `hashing`, `sending`, `paused`, `completing`, `completed`, `failed`, `aborted`.
 *
 * Events: `statechange`, and `progress` with `{state, bytes, total, percent, bytesPerSecond, secondsLeft}` as its detail.
 */
export class Upload extends Transfer {
  #file;
  #taskId;
  #hash;

  /**
   * @param {File} file
   * @param {object} options
   *   `token`: a bearer token, or a function that gives one, as often as it is asked;
   *   `url`: the server's address, this page's if left out; `name`, `contentType`, `poolId`, `bundleId`;
   *   `parallel`: how many chunks go side by side; `retries`: how many tries in a row may fail;
   *   `password`: the server encrypts the file with it; an upload that is gone on with keeps the one that it was begun with;
   *   `storage`: remembers hashes over a reload, `localStorage` if left out, or null.
   */
  constructor(file, options = {}) {
    super({ storage: globalThis.localStorage, ...options });
    this.#file = file;
  }

  /** The server's id of the upload, and of the file that it becomes; known once it has begun. */
  get taskId() {
    return this.#taskId;
  }

  /** SHA-256 in hexadecimal digits, once it is known. */
  get hash() {
    return this.#hash;
  }

  /** Ends it for good; the server drops what it has. */
  async abort() {
    if (["completed", "failed", "aborted"].includes(this._state)) return;
    this._become("aborted");
    this._resumed.resolve();
    for (const request of this._requests) request.abort();
    if (!this.#taskId) return;
    try {
      await this.#call("DELETE", `/api/files/upload/task/${this.#taskId}`);
    } catch (error) {
      // It has ended at the server already.
      if (![404, 409].includes(error.status)) throw error;
    }
  }

  get _total() {
    return this.#file.size;
  }

  get _working() {
    return ["hashing", "sending"];
  }

  get _continued() {
    return this.#hash ? "sending" : "hashing";
  }

  get _aborted() {
    return new UploadError("The upload was aborted.", { status: 0 });
  }

  // What is done, in its order.

  async _run() {
    if (this._state === "new") this._become("hashing");
    this.#hash = this.#remembered() ?? (await this.#digest());
    this.#remember();
    if (this._state === "hashing") this._become("sending");
    if (this.#file.size === 0) return this.#end(await this.#sendEmpty());
    const existing = await this.#begin();
    if (existing) return this.#end(existing);
    for (let round = 0; ; round += 1) {
      await this.#sendMissing();
      this._become("completing");
      try {
        return this.#end(await this.#complete());
      } catch (error) {
        if (error.code !== "CHUNKS_MISSING" || round >= 3) throw error;
        this._become("sending");
      }
    }
  }

  /** Has the server make a file of it, and asks again while a job of the server does that. */
  async #complete() {
    for (;;) {
      const answer = await this._retrying(() => this.#call("POST", `/api/files/upload/complete/${this.#taskId}`));
      if (answer.status !== "InProgress") return answer;
      await new Promise((fulfil) => setTimeout(fulfil, 1000));
    }
  }

  #end(stored) {
    this._options.storage?.removeItem(this.#key);
    // Of an encrypted file it is the hash of what is stored.
    if (stored.hash && !stored.encrypted && stored.hash !== this.#hash) throw new UploadError("What the server has is not this file.");
    this._stored = this.#file.size;
    this._open.clear();
    this._become("completed");
    return stored;
  }

  /** Reads the file for its SHA-256. */
  async #digest() {
    const hash = new Sha256();
    for (let start = 0; start < this.#file.size; start += READ_BYTES) {
      await this._whileRunning();
      hash.update(await this.#read(start, Math.min(this.#file.size, start + READ_BYTES)));
      this._report(Math.min(this.#file.size, start + READ_BYTES));
    }
    this._notes = [];
    return hash.hex();
  }

  async #read(start, end) {
    try {
      return new Uint8Array(await this.#file.slice(start, end).arrayBuffer());
    } catch (error) {
      throw new UploadError(`The file can't be read: ${error.message}`, { status: 0 });
    }
  }

  /** Finds the upload, or begins one. Gives the file if the server has it already. */
  async #begin() {
    const { poolId, bundleId } = this._options;
    const name = this._options.name ?? this.#file.name;
    for (let offset = 0; offset < 10_000; offset += 200) {
      const page = await this._retrying(() =>
        this.#call("GET", `/api/files/upload/tasks?status=InProgress&limit=200&offset=${offset}`));
      const found = page.find((task) =>
        task.hash === this.#hash && task.fileSize === this.#file.size && task.fileName === name &&
        (!poolId || task.poolId === poolId) && Boolean(task.encrypted) === (this._options.password !== undefined));
      if (found) {
        this.#taskId = found.taskId;
        return undefined;
      }
      if (page.length < 200) break;
    }
    const contentType = this._options.contentType || this.#file.type || "application/octet-stream";
    const beginning = JSON.stringify({
      fileName: name, fileSize: this.#file.size, contentType, hash: this.#hash, poolId, bundleId,
    });
    // One whose answer was lost is not begun twice.
    const fields = { ...this._password, "idempotency-key": idempotencyKey() };
    const created = await this._retrying(() =>
      this.#send("POST", "/api/files/upload/create", beginning, "application/json", undefined, fields));
    this.#taskId = created.taskId ?? created.file?.id;
    return created.fileExists ? created.file : undefined;
  }

  /** An empty file has no chunks: it goes in one request, unless the server has it under the same name already. */
  async #sendEmpty() {
    const { poolId, bundleId, contentType } = this._options;
    const name = this._options.name ?? this.#file.name;
    const query = new URLSearchParams({ name: Array.from(name).slice(0, 60).join(""), limit: "200" });
    const files = await this._retrying(() => this.#call("GET", `/api/files?${query}`));
    const there = files.find((file) =>
      file.name === name && file.size === 0 && !file.encrypted && (!poolId || file.poolId === poolId));
    if (there && this._options.password === undefined) return there;
    const parameters = Object.entries({ name, hash: this.#hash, poolId, bundleId }).filter(([, value]) => value);
    // The same for each try, so that a lost answer makes no second file.
    const fields = { ...this._password, "idempotency-key": idempotencyKey() };
    return this._retrying(() =>
      this.#send("POST", `/api/files?${new URLSearchParams(parameters)}`, this.#file,
        contentType || this.#file.type || "application/octet-stream", undefined, fields));
  }

  async #sendMissing() {
    const task = await this._retrying(() => this.#call("GET", `/api/files/upload/resume/${this.#taskId}`));
    if (task.status === "Completed") return;
    const stored = new Set(task.uploadedChunks);
    const missing = [];
    for (let index = 0; index < task.chunksCount; index += 1) if (!stored.has(index)) missing.push(index);
    const bytes = (index) => Math.min(this.#file.size, (index + 1) * task.chunkSize) - index * task.chunkSize;
    this._open.clear();
    this._stored = this.#file.size - missing.reduce((sum, index) => sum + bytes(index), 0);
    this._report();
    let failure;
    const worker = async () => {
      while (missing.length > 0 && !failure) {
        const index = missing.shift();
        try {
          await this._retrying(() => this.#sendChunk(index, index * task.chunkSize, bytes(index)));
        } catch (error) {
          failure ??= error;
          return;
        }
        this._open.delete(index);
        this._stored += bytes(index);
        this._report();
      }
    };
    await Promise.all(Array.from({ length: Math.max(1, this._options.parallel) }, worker));
    if (failure) throw failure;
  }

  async #sendChunk(index, start, length) {
    this._open.set(index, 0);
    try {
      await this.#send("POST", `/api/files/upload/chunk/${this.#taskId}/${index}`, this.#file.slice(start, start + length),
        "application/octet-stream", (sent) => {
          this._open.set(index, Math.min(length, sent));
          this._report();
        });
    } catch (error) {
      this._open.set(index, 0);
      // The answer to an earlier try was lost.
      if (error.code !== "CHUNK_STORED") throw error;
    }
  }

  // Requests.

  #call(method, path, json) {
    return this.#send(method, path, json && JSON.stringify(json), json && "application/json");
  }

  /** One request. Rejects with an UploadError unless the answer is a success. */
  async #send(method, path, body, contentType, onSent, more = {}) {
    const fields = { ...(await this._credentials()), ...more };
    if (contentType) fields["content-type"] = contentType;
    return new Promise((fulfil, reject) => {
      const request = new XMLHttpRequest();
      this._requests.add(request);
      request.open(method, this._options.url + path);
      for (const [name, value] of Object.entries(fields)) request.setRequestHeader(name, value);
      if (onSent) request.upload.onprogress = (event) => onSent(event.loaded);
      request.onloadend = () => {
        this._requests.delete(request);
        let answer;
        try {
          answer = JSON.parse(request.responseText);
        } catch {
          answer = undefined;
        }
        if (request.status >= 200 && request.status < 300) return fulfil(answer);
        if (request.status === 0) return reject(new UploadError("The server can't be reached."));
        return reject(new UploadError(answer?.detail ?? `The server answered ${request.status}.`, {
          status: request.status, code: answer?.code, retryAfter: Number(request.getResponseHeader("retry-after")) || undefined,
        }));
      };
      request.send(body);
    });
  }

  // The hash of a large file takes a while: it is remembered over a reload. The server compares it with the bytes in any case.

  get #key() {
    return `waybill-upload ${this.#file.size} ${this.#file.lastModified} ${this.#file.name}`;
  }

  #remembered() {
    const hash = this._options.storage?.getItem(this.#key);
    return /^[0-9a-f]{64}$/.test(hash ?? "") ? hash : undefined;
  }

  #remember() {
    try {
      this._options.storage?.setItem(this.#key, this.#hash);
    } catch {
      // The storage is full: then it is read once more.
    }
  }
}

/** SHA-256 (FIPS 180-4) of bytes that come piece by piece, which the browser's own can't do. */
export class Sha256 {
  static #constants = Sha256.#fractions();
  #state = new Int32Array(Sha256.#constants.initial);
  #words = new Int32Array(64);
  #block = new Uint8Array(64);
  #filled = 0;
  #count = 0;

  /** The first 32 bits of the fractions of the roots of the first primes. */
  static #fractions() {
    const [initial, rounds] = [[], []];
    for (let number = 2; rounds.length < 64; number += 1) {
      let isPrime = true;
      for (let divisor = 2; divisor * divisor <= number; divisor += 1) if (number % divisor === 0) isPrime = false;
      if (!isPrime) continue;
      if (initial.length < 8) initial.push((number ** (1 / 2) * 2 ** 32) | 0);
      rounds.push((number ** (1 / 3) * 2 ** 32) | 0);
    }
    return { initial, rounds: new Int32Array(rounds) };
  }

  update(bytes) {
    this.#count += bytes.length;
    let at = 0;
    if (this.#filled > 0) {
      at = Math.min(64 - this.#filled, bytes.length);
      this.#block.set(bytes.subarray(0, at), this.#filled);
      this.#filled += at;
      if (this.#filled < 64) return;
      this.#compress(this.#block, 0);
      this.#filled = 0;
    }
    for (; at + 64 <= bytes.length; at += 64) this.#compress(bytes, at);
    this.#block.set(bytes.subarray(at));
    this.#filled = bytes.length - at;
  }

  /** The digest in hexadecimal digits. Nothing may come after it. */
  hex() {
    const [high, low] = [Math.floor(this.#count / 2 ** 29), (this.#count * 8) >>> 0];
    const padding = new Uint8Array(((this.#filled < 56 ? 56 : 120) - this.#filled) + 8);
    padding[0] = 0x80;
    const view = new DataView(padding.buffer);
    view.setUint32(padding.length - 8, high);
    view.setUint32(padding.length - 4, low);
    this.update(padding);
    return Array.from(this.#state, (word) => (word >>> 0).toString(16).padStart(8, "0")).join("");
  }

  #compress(bytes, at) {
    const words = this.#words;
    const rounds = Sha256.#constants.rounds;
    for (let i = 0; i < 16; i += 1) {
      const place = at + i * 4;
      words[i] = (bytes[place] << 24) | (bytes[place + 1] << 16) | (bytes[place + 2] << 8) | bytes[place + 3];
    }
    for (let i = 16; i < 64; i += 1) {
      const x = words[i - 15];
      const y = words[i - 2];
      const s0 = ((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3);
      const s1 = ((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10);
      words[i] = (words[i - 16] + s0 + words[i - 7] + s1) | 0;
    }
    const state = this.#state;
    let a = state[0], b = state[1], c = state[2], d = state[3], e = state[4], f = state[5], g = state[6], h = state[7];
    for (let i = 0; i < 64; i += 1) {
      const s1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7));
      const t1 = (h + s1 + ((e & f) ^ (~e & g)) + rounds[i] + words[i]) | 0;
      const s0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10));
      const t2 = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
      h = g;
      g = f;
      f = e;
      e = (d + t1) | 0;
      d = c;
      c = b;
      b = a;
      a = (t1 + t2) | 0;
    }
    state[0] += a;
    state[1] += b;
    state[2] += c;
    state[3] += d;
    state[4] += e;
    state[5] += f;
    state[6] += g;
    state[7] += h;
  }
}

/** A name for a request that may be sent more than once. */
function idempotencyKey() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
