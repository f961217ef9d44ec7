import Crypto
import Formats
import HTTPTypes
import Hummingbird
import TenantData
import WaybillBlobs
import Web

/// Documents that come in several requests, so that one that breaks off costs its own range and no more.
extension RestoreUpload {
    /// `Content-Range: bytes FIRST-LAST/TOTAL`
    struct ContentRange: Sendable, Hashable {
        var first: Int64
        var last: Int64
        var total: Int64

        var length: Int64 { last - first + 1 }

        /// - Returns: nil for anything else, also for a total that is not known.
        init?(_ text: String) {
            guard text.hasPrefix("bytes ") else { return nil }
            let parts = text.dropFirst(6).split(separator: "/", omittingEmptySubsequences: false)
            guard parts.count == 2, let total = Self.number(parts[1]) else { return nil }
            let ends = parts[0].split(separator: "-", omittingEmptySubsequences: false)
            guard ends.count == 2, let first = Self.number(ends[0]), let last = Self.number(ends[1]), first <= last, last < total
            else { return nil }
            (self.first, self.last, self.total) = (first, last, total)
        }

        private static func number(_ text: Substring) -> Int64? {
            guard (1...18).contains(text.utf8.count), text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
            return Int64(text)
        }
    }

    /// A document is in so many ranges at most: each is a blob.
    private static let rangesMax = 10_000

    func receive(_ request: Request, range text: String, behind before: RestoreDocument?) async throws -> Received {
        guard let range = ContentRange(text) else {
            throw Problem.invalid("Content-Range", "must be ‘bytes FIRST-LAST/TOTAL’")
        }
        guard name != BackupManifest.fileName else { throw Problem.invalid("Content-Range", "the manifest comes as a whole") }
        // The first range begins anew, whatever is there.
        let behind = range.first == 0 ? nil : before
        if range.first > 0 {
            guard let behind, behind.total == range.total, behind.length == range.first else { throw Self.outOfPlace(before) }
        }
        guard (behind?.pieces.count ?? 0) < Self.rangesMax else {
            throw Problem.invalid("Content-Range", "a file comes in \(Self.rangesMax) ranges at most")
        }
        var document = try await store(range, of: request)
        document.pieces = (behind?.pieces ?? []) + document.pieces
        document.length = range.last + 1
        var received = Received(document: document, behind: behind)
        guard document.length == range.total else {
            (received.document.sha256, received.document.total) = ("", range.total)
            return received
        }
        do {
            if behind != nil { received.document.sha256 = try await digest(of: document) }
        } catch {
            await Self.remove(received.added, from: feature)
            throw error
        }
        return try await checked(received)
    }

    /// Stores the bytes of a range, and nothing if there are more or fewer.
    private func store(_ range: ContentRange, of request: Request) async throws -> RestoreDocument {
        let wrong = Problem.invalid("Content-Range", "the body has not the \(range.length) bytes that it tells")
        var iterator = request.body.makeAsyncIterator()
        var length: Int64 = 0
        let document = try await store { _ in
            guard let buffer = try await iterator.next() else { return nil }
            length += Int64(buffer.readableBytes)
            guard length <= range.length else { throw wrong }
            return Array(buffer: buffer)
        }
        guard document.length == range.length else {
            await Self.remove(document.pieces, from: feature)
            throw wrong
        }
        return document
    }

    /// A hash can't be kept from one request to the next, so that all bytes are read once more.
    private func digest(of document: RestoreDocument) async throws -> String {
        var digest = SHA256()
        for piece in document.pieces {
            guard let key = BlobKey(piece.key) else { continue }
            for try await chunk in try await feature.blobs.read(key, range: 0..<piece.length) { digest.update(data: chunk) }
        }
        return HexText.of(digest.finalize())
    }

    /// - Parameter document: what is there.
    static func outOfPlace(_ document: RestoreDocument?) -> Problem {
        // One that is whole is not gone on with.
        let received = document?.total == nil ? 0 : document?.length ?? 0
        return Problem(
            .init(409, "RESTORE_RANGE", "The range does not follow what is there"),
            "the next one begins at \(received), with the same total"
        ).with("received", .integer(received))
    }
}
