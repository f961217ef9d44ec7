import SeededBugs
import Synchronization
import WaybillBlobs

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// Writes a temporary file behind its caller's back: while he makes the next bytes, one thread hashes the last ones and another
/// writes them. What goes wrong there is thrown by the next call.
final class DiskBlobWriter: BlobWriter {
    private struct Waiter {
        var forIdle: Bool
        var caller: CheckedContinuation<Void, Never>
    }

    private struct State {
        var queue = DiskWriteQueue()
        var failure: (any Error)?
        var hasEnded = false
        var waiters: [Waiter] = []

        /// Those who need not wait any longer.
        mutating func released() -> [CheckedContinuation<Void, Never>] {
            let (isIdle, hasRoom) = (queue.isIdle, queue.hasRoom)
            let free = waiters.filter { $0.forIdle ? isIdle : hasRoom }
            waiters.removeAll { $0.forIdle ? isIdle : hasRoom }
            return free.map(\.caller)
        }
    }

    private let key: BlobKey
    private let mode: BlobWriteMode
    private let path: String
    private let descriptor: Int32
    private let folders: BlobFolders
    private let service: DiskIOService
    private let state = Mutex(State())
    // One thread at a time hashes, and one writes, so the lock is never waited for.
    private let hash: Mutex<BlobHash>
    private let lengthBefore: Int64
    private let file: StagedFile
    private let early: EarlySync

    init(
        key: BlobKey, mode: BlobWriteMode, hash: BlobHash, path: String, descriptor: Int32, folders: BlobFolders,
        service: DiskIOService
    ) {
        self.hash = Mutex(hash)
        lengthBefore = hash.length
        self.key = key
        self.mode = mode
        self.path = path
        self.descriptor = descriptor
        file = StagedFile(descriptor, path)
        early = EarlySync(service: service) { try FileCalls.syncData(descriptor, path) }
        self.folders = folders
        self.service = service
    }

    deinit {
        let hasEnded = state.withLock { $0.hasEnded }
        guard !hasEnded else { return }
        service.submit { [path, descriptor, early] in DiskBlobWriter.drop(path, descriptor, early) }
    }

    func append(_ bytes: [UInt8]) async throws {
        let work = try state.withLock { state in
            guard !state.hasEnded else { throw BlobError(.other, "the writer of \(key) has ended") }
            if let failure = state.failure { throw failure }
            return state.queue.add(bytes)
        }
        if let work { service.submit { self.work(work) } }
        try await wait(forIdle: false)
    }

    func finish() async throws -> BlobDigest {
        try end()
        if let work = state.withLock({ $0.queue.flush() }) { service.submit { self.work(work) } }
        do {
            try await wait(forIdle: true)
        } catch {
            await service.drop(path, descriptor, early)
            throw error
        }
        return try await service.run { try self.publish() }
    }

    func abandon() async {
        do {
            try end()
        } catch {
            return
        }
        state.withLock { $0.queue.dropAll() }
        do {
            try await wait(forIdle: true)
        } catch {
            // It is dropped anyway.
        }
        await service.drop(path, descriptor, early)
    }

    private func end() throws {
        try state.withLock { state in
            guard !state.hasEnded else { throw BlobError(.other, "the writer of \(key) has ended") }
            state.hasEnded = true
        }
    }

    /// Waits until there is room for more, or until everything is written.
    private func wait(forIdle: Bool) async throws {
        if state.withLock({ !(forIdle ? $0.queue.isIdle : $0.queue.hasRoom) }) {
            await withCheckedContinuation { caller in
                let released = state.withLock { state in
                    state.waiters.append(Waiter(forIdle: forIdle, caller: caller))
                    return state.released()
                }
                released.forEach { $0.resume() }
            }
        }
        if let failure = state.withLock({ $0.failure }) { throw failure }
    }

    // MARK: On a thread of the service

    private func work(_ first: DiskWriteQueue.Work) {
        var work: DiskWriteQueue.Work? = first
        while let now = work {
            while let chunk = state.withLock({ $0.queue.next(now) }) {
                do {
                    try chunk.withUnsafeBytes { try take($0, now) }
                } catch {
                    state.withLock { state in
                        state.failure = error
                        state.queue.dropAll()
                    }
                }
                release { $0.queue.did(now) }
            }
            work = release { $0.queue.turn(from: now) }
        }
    }

    private func take(_ bytes: UnsafeRawBufferPointer, _ work: DiskWriteQueue.Work) throws {
        switch work {
        case .hash: hash.withLock { $0.update(bytes) }
        case .write:
            try file.append(bytes)
            try early.wrote(bytes.count)
        }
    }

    /// Changes the state, and wakes those who need not wait any longer.
    private func release<T: Sendable>(_ body: (inout State) -> T) -> T {
        let (result, released) = state.withLock { state in (body(&state), state.released()) }
        released.forEach { $0.resume() }
        return result
    }

    /// The file is durable before its name is, and its name before the digest is told.
    private func publish() throws -> BlobDigest {
        do {
            try file.finish()
            try early.end()
            if SeededBug.renamesBeforeSync { try folders.place(path, at: key, mode) }
            if !SeededBug.dropsFileSync { try FileCalls.sync(descriptor, path) }
            if !SeededBug.renamesBeforeSync { try folders.place(path, at: key, mode) }
        } catch {
            DiskBlobWriter.drop(path, descriptor, early)
            throw error
        }
        FileCalls.close(descriptor)
        return hash.withLock { BlobDigest(length: $0.length - lengthBefore, hash: $0) }
    }

    fileprivate static func drop(_ path: String, _ descriptor: Int32, _ early: EarlySync) {
        do {
            try early.end()
        } catch {
            // What could not be made durable is not wanted.
        }
        FileCalls.close(descriptor)
        // If it can't be removed now, the next start empties the folder.
        unlink(path)
    }
}

extension DiskIOService {
    fileprivate func drop(_ path: String, _ descriptor: Int32, _ early: EarlySync) async {
        await withCheckedContinuation { caller in
            submit {
                DiskBlobWriter.drop(path, descriptor, early)
                caller.resume()
            }
        }
    }
}
