/// Files that are filled by and by, at any place, until they become blobs. They outlive the process that fills them.
///
/// A file that is being filled has a name of one part. What was written counts once `flush` has returned; until then it may be
/// gone after a power cut, wholly or in part.
public protocol BlobStaging: Sendable {
    /// Tells the place of the files from that of others that fill files for the same store. Empty where there is one for all.
    var place: String { get }

    /// Whether new files are better kept as pieces, each a blob of its own: the store can't be written at any place, and is there
    /// for every node.
    var prefersPieces: Bool { get }

    /// Room for bytes that this process alone needs, for a while. Nothing is left of it once nobody has it any more, or after a
    /// crash.
    func scratch() async throws -> any StagedBlob

    /// Opens a file, which is made if there is none: then its name is durable when this returns.
    func open(_ name: BlobKey) async throws -> any StagedBlob

    /// How long a file is, or nil if there is none.
    func length(_ name: BlobKey) async throws -> Int64?

    /// Makes the first bytes of a file the blob `key`, in place of one that has it, and the file is no more. If the file has gone
    /// and the blob is there with that length, it was done before and is not done again.
    /// - Throws: `BlobError`: `.notFound` if there is neither, `.damaged` if the file is shorter than it should be.
    func publish(_ name: BlobKey, length: Int64, as key: BlobKey) async throws

    /// The same where it takes long.
    /// - Parameter copied: hears of bytes once they were copied, if they are. What it throws ends it, with nothing published.
    func publish(
        _ name: BlobKey, length: Int64, as key: BlobKey, copied: (_ bytes: Int64) async throws -> Void
    ) async throws

    /// Whether bytes are copied when they are published.
    var copiesBytes: Bool { get }

    /// Removes a file. It is no error if there is none.
    func drop(_ name: BlobKey) async throws

    /// The files in the order of their names, after `after`.
    func list(after: BlobKey?, limit: Int) async throws -> [BlobEntry]
}

extension BlobStaging {
    public var place: String { "" }
    public var prefersPieces: Bool { false }
    public var copiesBytes: Bool { false }

    public func publish(
        _ name: BlobKey, length: Int64, as key: BlobKey, copied: (_ bytes: Int64) async throws -> Void
    ) async throws {
        try await publish(name, length: length, as: key)
    }
}

/// An open file that is being filled. Several may have one file open; who writes where is theirs to agree on.
public protocol StagedBlob: Sendable {
    /// Writes bytes at a place.
    func write(_ bytes: [UInt8], at offset: Int64) async throws

    /// Writes the bytes of a piece at a place.
    func write(_ piece: BytePiece, at offset: Int64) async throws

    /// Makes what was written durable.
    func flush() async throws

    /// The bytes `range`, as chunks of at most 1 MiB. The range is cut to the file's length.
    func read(_ range: Range<Int64>) async throws -> BlobChunks

    /// Lets it go. It is called once, and nothing after it.
    func close() async
}

extension StagedBlob {
    public func write(_ piece: BytePiece, at offset: Int64) async throws {
        try await write(piece.withUnsafeBytes { Array($0) }, at: offset)
    }
}
