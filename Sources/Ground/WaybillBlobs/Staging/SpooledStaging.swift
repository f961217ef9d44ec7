/// Files that are filled here and become blobs in a store that can't be written at any place: they are copied when they are
/// published.
///
/// They can be filled and published on this node alone. So new ones are better kept as pieces; those that were begun here before
/// are filled and published as they were.
public struct SpooledStaging: BlobStaging {
    public let place: String
    private let spool: any BlobStaging
    private let store: any BlobStore

    /// - Parameter place: names this spool among those of all nodes, and is the same after a restart.
    public init(_ spool: any BlobStaging, store: any BlobStore, place: String) {
        self.place = place
        self.spool = spool
        self.store = store
    }

    public var prefersPieces: Bool { true }

    public func scratch() async throws -> any StagedBlob { try await spool.scratch() }
    public func open(_ name: BlobKey) async throws -> any StagedBlob { try await spool.open(name) }
    public func length(_ name: BlobKey) async throws -> Int64? { try await spool.length(name) }
    public func drop(_ name: BlobKey) async throws { try await spool.drop(name) }

    public func list(after: BlobKey?, limit: Int) async throws -> [BlobEntry] {
        try await spool.list(after: after, limit: limit)
    }

    public var copiesBytes: Bool { true }

    public func publish(_ name: BlobKey, length: Int64, as key: BlobKey) async throws {
        try await publish(name, length: length, as: key) { _ in }
    }

    public func publish(
        _ name: BlobKey, length: Int64, as key: BlobKey, copied: (_ bytes: Int64) async throws -> Void
    ) async throws {
        guard let staged = try await spool.length(name) else {
            guard try await store.length(key) == length else { throw BlobError(.notFound, "there is no staged file \(name)") }
            return
        }
        guard staged >= length else { throw BlobError(.damaged, "the staged file \(name) is shorter than \(length)") }
        let file = try await spool.open(name)
        do {
            try await copy(file, length: length, to: key, copied)
        } catch {
            await file.close()
            throw error
        }
        await file.close()
        try await spool.drop(name)
    }

    private func copy(
        _ file: any StagedBlob, length: Int64, to key: BlobKey, _ copied: (_ bytes: Int64) async throws -> Void
    ) async throws {
        let writer = try await store.writer(key)
        do {
            for try await chunk in try await file.read(0..<length) {
                try await writer.append(chunk)
                try await copied(Int64(chunk.count))
            }
        } catch {
            await writer.abandon()
            throw error
        }
        guard try await writer.finish().length == length else {
            throw BlobError(.damaged, "\(key) is not as long in the store as it was here")
        }
    }
}
