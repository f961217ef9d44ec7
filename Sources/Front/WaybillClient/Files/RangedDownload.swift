import Crypto
import Foundation
import Synchronization

/// Loads one file down by ranges, several side by side, each into its place (RFC 9110, ranges; RFC 9530, digests). Which of them
/// are there outlives the process, and the next call goes on with the others.
struct RangedDownload: Sendable {
    /// The server's file is another one than that of which ranges are here.
    private struct Changed: Error {}

    let client: WaybillClient
    let request: WireRequest
    let path: String
    let parallel: Int
    let progress: @Sendable (Int64, Int64?) -> Void

    func run() async throws -> DownloadedFile {
        var changes = 0
        while true {
            guard let head = try await head(), let total = head.total, let etag = head.etag, total > RangedFile.rangeBytes else {
                // Too small for it, or not to be had by ranges that are surely of one file.
                return try await FileDownload(client: client, request: request, path: path, progress: progress).run()
            }
            let file = try RangedFile(path: path, total: total, etag: etag)
            do {
                try await load(file)
                return try finish(file, head)
            } catch is Changed {
                try file.remove()
                changes += 1
                guard changes <= client.pacing.failuresMax else {
                    throw WaybillClientError(.unexpectedAnswer, "the file at the server changes all the time")
                }
            } catch {
                if file.missing.count == file.count { try file.remove() }
                throw error
            }
        }
    }

    /// What the server says of the file; nil if it gives no ranges of it.
    private func head() async throws -> DownloadHead? {
        try await client.retrying {
            let response = try await client.caller.send(asking(0..<1), accepting: [416])
            guard response.status == 206 else { return nil }
            _ = try await response.body.collect(bytesMax: 1)
            return DownloadHead(response)
        }
    }

    private func asking(_ range: Range<Int64>, of etag: String? = nil) -> WireRequest {
        var request = request
        request.headers += [("Accept-Encoding", "identity"), ("Range", "bytes=\(range.lowerBound)-\(range.upperBound - 1)")]
        if let etag { request.headers.append(("If-Range", etag)) }
        return request
    }

    private func load(_ file: RangedFile) async throws {
        let missing = file.missing
        let meter = DownloadMeter(
            file.total - missing.reduce(0) { $0 + Int64(file.range($1).count) }, of: file.total, tell: progress)
        try await withThrowingTaskGroup(of: Void.self) { group in
            var rest = missing[...]
            for _ in 0..<parallel {
                guard let index = rest.popFirst() else { break }
                group.addTask { try await load(index, of: file, meter) }
            }
            while try await group.next() != nil {
                guard let index = rest.popFirst() else { continue }
                group.addTask { try await load(index, of: file, meter) }
            }
        }
    }

    /// Loads one range; what has come of it before a break is not loaded again.
    private func load(_ index: Int, of file: RangedFile, _ meter: DownloadMeter) async throws {
        let range = file.range(index)
        var (at, failures) = (range.lowerBound, 0)
        while at < range.upperBound {
            let before = at
            do {
                try await load(&at, to: range.upperBound, of: file, meter)
            } catch let error as WaybillClientError where error.isTransient {
                failures = at > before ? 1 : failures + 1
                guard failures <= client.pacing.failuresMax else { throw error }
                try await client.wait(error.retryAfter ?? client.pacing.delay(after: failures))
            }
        }
        try file.settle(index)
    }

    private func load(_ at: inout Int64, to end: Int64, of file: RangedFile, _ meter: DownloadMeter) async throws {
        let response = try await client.caller.send(asking(at..<end, of: file.etag), accepting: [416])
        let head = DownloadHead(response)
        guard response.status == 206, head.rangeStart == at, head.total == file.total else { throw Changed() }
        for try await chunk in response.body {
            guard Int64(chunk.count) <= end - at else {
                throw WaybillClientError(.unexpectedAnswer, "the server sent more than the range that was asked for")
            }
            try file.write(chunk, at: at)
            at += Int64(chunk.count)
            meter.add(chunk.count)
        }
        if at < end { throw WaybillClientError(.connectionLost, "the download broke off at \(at) of \(file.total) bytes") }
    }

    private func finish(_ file: RangedFile, _ head: DownloadHead) throws -> DownloadedFile {
        let digest = try file.digest()
        let whole: DownloadedFile
        do {
            whole = try head.file(at: path, bytes: file.total, digest: digest)
        } catch {
            try file.remove()
            throw error
        }
        try file.publish()
        return whole
    }
}

/// Adds up what several ranges have brought.
private final class DownloadMeter: Sendable {
    private let bytes: Mutex<Int64>
    private let total: Int64
    private let tell: @Sendable (Int64, Int64?) -> Void

    init(_ bytes: Int64, of total: Int64, tell: @escaping @Sendable (Int64, Int64?) -> Void) {
        self.bytes = Mutex(bytes)
        self.total = total
        self.tell = tell
        tell(bytes, total)
    }

    /// Told inside the lock, so that the last word is the last count.
    func add(_ count: Int) {
        bytes.withLock { bytes in
            bytes += Int64(count)
            tell(bytes, total)
        }
    }
}
