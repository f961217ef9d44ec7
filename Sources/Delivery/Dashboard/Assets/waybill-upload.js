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
 * One file on its way to the drive. States: `new`, `hashing`, `sending`, `paused`, `completing`, `completed`, `failed`, `aborted`.
 *
 * Events: `statechange`, and `progress` with `{state, bytes, total, percent, bytesPerSecond, secondsLeft}` as its detail.
 */
export class Upload extends EventTarget {
  #file;
  #options;
  #state = "new";
  #taskId;
  #hash;
  #stored = 0;
  #open = new Map();
  #requests = new Set();
  #notes = [];
  #resumed = Promise.withResolvers();
  #result;

  /**
   * @param {File} file
   * @param {object} options
   *   `token`: a bearer token, or a function that gives one, as often as it is asked;
   *   `url`: the server's address, this page's if left out; `name`, `contentType`, `poolId`, `bundleId`;
   *   `parallel`: how many chunks go side by side; `retries`: how many tries in a row may fail;
   *   `storage`: remembers hashes over a reload, `localStorage` if left out, or null.
   */
  constructor(file, options = {}) {
    super();
    this.#file = file;
    this.#options = { url: "", parallel: 4, retries: 10, storage: globalThis.localStorage, ...options };
    this.#resumed.resolve();
  }

  get state() {
    return this.#state;
  }

  /** The server's id of the upload, and of the file that it becomes; known once it has begun. */
  get taskId() {
    return this.#taskId;
  }

  /** SHA-256 in hexadecimal digits, once it is known. */
  get hash() {
    return this.#hash;
  }

  /** Begins, or goes on with what was begun before. Fulfils with the file as the server has it. */
  start() {
    this.#result ??= this.#run().catch((error) => {
      if (this.#state !== "aborted") this.#become("failed");
      throw error;
    });
    return this.#result;
  }

  /** Sends nothing until `resume()`. What is on its way is broken off; the server keeps what it has said it has. */
  pause() {
    if (!["new", "hashing", "sending"].includes(this.#state)) return;
    this.#resumed = Promise.withResolvers();
    this.#become("paused");
    for (const request of this.#requests) request.abort();
  }

  resume() {
    if (this.#state !== "paused") return;
    this.#notes = [];
    this.#become(this.#hash ? "sending" : "hashing");
    this.#resumed.resolve();
  }

  /** Ends it for good; the server drops what it has. */
  async abort() {
    if (["completed", "failed", "aborted"].includes(this.#state)) return;
    this.#become("aborted");
    this.#resumed.resolve();
    for (const request of this.#requests) request.abort();
    if (!this.#taskId) return;
    try {
      await this.#call("DELETE", `/api/files/upload/task/${this.#taskId}`);
    } catch (error) {
      // It has ended at the server already.
      if (![404, 409].includes(error.status)) throw error;
    }
  }

  // What is done, in its order.

  async #run() {
    if (this.#state === "new") this.#become("hashing");
    this.#hash = this.#remembered() ?? (await this.#digest());
    this.#remember();
    if (this.#state === "hashing") this.#become("sending");
    if (this.#file.size === 0) return this.#end(await this.#sendEmpty());
    const existing = await this.#begin();
    if (existing) return this.#end(existing);
    for (let round = 0; ; round += 1) {
      await this.#sendMissing();
      this.#become("completing");
      try {
        return this.#end(await this.#complete());
      } catch (error) {
        if (error.code !== "CHUNKS_MISSING" || round >= 3) throw error;
        this.#become("sending");
      }
    }
  }

  /** Has the server make a file of it, and asks again while a job of the server does that. */
  async #complete() {
    for (;;) {
      const answer = await this.#retrying(() => this.#call("POST", `/api/files/upload/complete/${this.#taskId}`));
      if (answer.status !== "InProgress") return answer;
      await new Promise((fulfil) => setTimeout(fulfil, 1000));
    }
  }

  #end(stored) {
    this.#options.storage?.removeItem(this.#key);
    if (stored.hash && stored.hash !== this.#hash) throw new UploadError("What the server has is not this file.");
    this.#stored = this.#file.size;
    this.#open.clear();
    this.#become("completed");
    return stored;
  }

  /** Reads the file for its SHA-256. */
  async #digest() {
    const hash = new Sha256();
    for (let start = 0; start < this.#file.size; start += READ_BYTES) {
      await this.#whileRunning();
      hash.update(await this.#read(start, Math.min(this.#file.size, start + READ_BYTES)));
      this.#report(Math.min(this.#file.size, start + READ_BYTES));
    }
    this.#notes = [];
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
    const { poolId, bundleId } = this.#options;
    const name = this.#options.name ?? this.#file.name;
    for (let offset = 0; offset < 10_000; offset += 200) {
      const page = await this.#retrying(() =>
        this.#call("GET", `/api/files/upload/tasks?status=InProgress&limit=200&offset=${offset}`));
      const found = page.find((task) =>
        task.hash === this.#hash && task.fileSize === this.#file.size && task.fileName === name &&
        (!poolId || task.poolId === poolId));
      if (found) {
        this.#taskId = found.taskId;
        return undefined;
      }
      if (page.length < 200) break;
    }
    const contentType = this.#options.contentType || this.#file.type || "application/octet-stream";
    const beginning = JSON.stringify({
      fileName: name, fileSize: this.#file.size, contentType, hash: this.#hash, poolId, bundleId,
    });
    // One whose answer was lost is not begun twice.
    const key = idempotencyKey();
    const created = await this.#retrying(() =>
      this.#send("POST", "/api/files/upload/create", beginning, "application/json", undefined, key));
    this.#taskId = created.taskId ?? created.file?.id;
    return created.fileExists ? created.file : undefined;
  }

  /** An empty file has no chunks: it goes in one request, unless the server has it under the same name already. */
  async #sendEmpty() {
    const { poolId, bundleId, contentType } = this.#options;
    const name = this.#options.name ?? this.#file.name;
    const query = new URLSearchParams({ name: Array.from(name).slice(0, 60).join(""), limit: "200" });
    const files = await this.#retrying(() => this.#call("GET", `/api/files?${query}`));
    const there = files.find((file) => file.name === name && file.size === 0 && (!poolId || file.poolId === poolId));
    if (there) return there;
    const fields = Object.entries({ name, hash: this.#hash, poolId, bundleId }).filter(([, value]) => value);
    // The same for each try, so that a lost answer makes no second file.
    const key = idempotencyKey();
    return this.#retrying(() =>
      this.#send("POST", `/api/files?${new URLSearchParams(fields)}`, this.#file,
        contentType || this.#file.type || "application/octet-stream", undefined, key));
  }

  async #sendMissing() {
    const task = await this.#retrying(() => this.#call("GET", `/api/files/upload/resume/${this.#taskId}`));
    if (task.status === "Completed") return;
    const stored = new Set(task.uploadedChunks);
    const missing = [];
    for (let index = 0; index < task.chunksCount; index += 1) if (!stored.has(index)) missing.push(index);
    const bytes = (index) => Math.min(this.#file.size, (index + 1) * task.chunkSize) - index * task.chunkSize;
    this.#open.clear();
    this.#stored = this.#file.size - missing.reduce((sum, index) => sum + bytes(index), 0);
    this.#report();
    let failure;
    const worker = async () => {
      while (missing.length > 0 && !failure) {
        const index = missing.shift();
        try {
          await this.#retrying(() => this.#sendChunk(index, index * task.chunkSize, bytes(index)));
        } catch (error) {
          failure ??= error;
          return;
        }
        this.#open.delete(index);
        this.#stored += bytes(index);
        this.#report();
      }
    };
    await Promise.all(Array.from({ length: Math.max(1, this.#options.parallel) }, worker));
    if (failure) throw failure;
  }

  async #sendChunk(index, start, length) {
    this.#open.set(index, 0);
    try {
      await this.#send("POST", `/api/files/upload/chunk/${this.#taskId}/${index}`, this.#file.slice(start, start + length),
        "application/octet-stream", (sent) => {
          this.#open.set(index, Math.min(length, sent));
          this.#report();
        });
    } catch (error) {
      this.#open.set(index, 0);
      // The answer to an earlier try was lost.
      if (error.code !== "CHUNK_STORED") throw error;
    }
  }

  // Requests.

  #call(method, path, json) {
    return this.#send(method, path, json && JSON.stringify(json), json && "application/json");
  }

  /** One request. Rejects with an UploadError unless the answer is a success. */
  async #send(method, path, body, contentType, onSent, idempotencyKey) {
    const { token, url } = this.#options;
    const bearer = typeof token === "function" ? await token() : token;
    return new Promise((fulfil, reject) => {
      const request = new XMLHttpRequest();
      this.#requests.add(request);
      request.open(method, url + path);
      if (bearer) request.setRequestHeader("authorization", `Bearer ${bearer}`);
      if (contentType) request.setRequestHeader("content-type", contentType);
      if (idempotencyKey) request.setRequestHeader("idempotency-key", idempotencyKey);
      if (onSent) request.upload.onprogress = (event) => onSent(event.loaded);
      request.onloadend = () => {
        this.#requests.delete(request);
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

  /** Does something until it succeeds, is refused for good, or too many tries in a row have failed. Pauses don't count. */
  async #retrying(action) {
    for (let failures = 0; ; ) {
      await this.#whileRunning();
      try {
        return await action();
      } catch (error) {
        if (this.#state === "aborted") throw new UploadError("The upload was aborted.", { status: 0 });
        if (this.#state === "paused") continue;
        failures += 1;
        if (!(error instanceof UploadError) || !error.isTransient || failures > this.#options.retries) throw error;
        const seconds = error.retryAfter ?? Math.min(15, 0.5 * 2 ** (failures - 1));
        await new Promise((fulfil) => setTimeout(fulfil, Math.min(seconds, 60) * 1000));
      }
    }
  }

  async #whileRunning() {
    while (this.#state === "paused") await this.#resumed.promise;
    if (this.#state === "aborted") throw new UploadError("The upload was aborted.", { status: 0 });
  }

  // What is told.

  #become(state) {
    if (this.#state === "aborted" || this.#state === state) return;
    this.#state = state;
    this.dispatchEvent(new Event("statechange"));
    this.#report();
  }

  #report(bytes = this.#stored + [...this.#open.values()].reduce((sum, sent) => sum + sent, 0)) {
    const now = performance.now();
    const total = this.#file.size;
    const last = this.#notes.at(-1);
    if (last && bytes < last.bytes) this.#notes = [];
    this.#notes.push({ now, bytes });
    while (this.#notes.length > 2 && now - this.#notes[1].now > RATE_MILLISECONDS) this.#notes.shift();
    const first = this.#notes[0];
    const isMoving = now - first.now >= 500 && bytes > first.bytes;
    const bytesPerSecond = isMoving ? ((bytes - first.bytes) / (now - first.now)) * 1000 : undefined;
    const detail = {
      state: this.#state, bytes, total, percent: total > 0 ? Math.min(100, (bytes / total) * 100) : 100,
      bytesPerSecond, secondsLeft: bytesPerSecond ? (total - bytes) / bytesPerSecond : undefined,
    };
    this.dispatchEvent(new CustomEvent("progress", { detail }));
  }

  // The hash of a large file takes a while: it is remembered over a reload. The server compares it with the bytes in any case.

  get #key() {
    return `waybill-upload ${this.#file.size} ${this.#file.lastModified} ${this.#file.name}`;
  }

  #remembered() {
    const hash = this.#options.storage?.getItem(this.#key);
    return /^[0-9a-f]{64}$/.test(hash ?? "") ? hash : undefined;
  }

  #remember() {
    try {
      this.#options.storage?.setItem(this.#key, this.#hash);
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
