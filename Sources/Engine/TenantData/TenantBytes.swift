import WaybillBlobs
import WaybillDatabases
import WaybillEngine

/// What a room that keeps bytes for a tenant's rows does beside its rows, so that backups have them. Every table of the
/// installation that says where bytes lie is in one of these, or is left out for a reason: a test holds them against the
/// database's own catalogue.
public protocol TenantBytes: TenantEntities {
    /// The tables whose rows say where bytes of the tenant lie that its rows need.
    var byteTables: Set<String> { get }

    // MARK: Backing up

    /// The bytes that the rows of a cut need, whether the backup has the rows as changes or as a whole: each once, in the order
    /// of their digests, some at a time. They stay where they are for as long as the cut is held.
    /// - Parameters:
    ///   - cut: what the group has taken.
    ///   - digest: those behind it.
    func bytes(
        of cut: [EntityCut], after digest: [UInt8]?, limit: Int, for tenant: TenantID, in session: any SQLSession
    ) throws -> [KeptBytes]

    // MARK: Restoring

    /// The bytes that the rows in a place need, in their `order`, some at a time: each once, or once for each place where the
    /// room wants them to lie.
    /// - Parameter order: those behind it.
    func wanted(
        _ target: RestoreTarget, place: String, after order: [UInt8]?, limit: Int, in session: any SQLSession
    ) throws -> [WantedBytes]

    /// Where bytes are to be put that the tenant does not have. Asked again, it says the same.
    /// - Parameter piece: which of several pieces that they are put to, from 0; nil: they are put to one.
    func key(for bytes: WantedBytes, piece: Int?, _ target: RestoreTarget, place: String) throws -> BlobKey

    /// Gives the rows of a place their bytes: those that are there, or that were put where `key` says. For each it is
    /// called once, in rising order.
    /// - Parameter pieces: where they were put; nil if the tenant has them.
    /// - Returns: false, with nothing written, if the tenant does not have them any more.
    func bind(
        _ bytes: WantedBytes, at pieces: [KeptBytes.Piece]?, _ target: RestoreTarget, place: String, in session: any SQLSession
    ) throws -> Bool

    /// Leaves out the rows of a place whose bytes nobody has: the backup was made without any.
    /// - Returns: how many, by the name of their entity.
    func leaveOut(
        _ bytes: WantedBytes, _ target: RestoreTarget, place: String, in session: any SQLSession
    ) throws -> (entity: String, rows: Int64)
}

/// Bytes that a room keeps.
public struct KeptBytes: Sendable, Hashable {
    /// SHA-256, 32 bytes.
    public var sha256: [UInt8]
    public var length: Int64
    /// Where they lie, one behind the other; none of them is empty.
    public var pieces: [Piece]

    public struct Piece: Sendable, Hashable {
        public var key: BlobKey
        public var length: Int64

        public init(key: BlobKey, length: Int64) {
            (self.key, self.length) = (key, length)
        }
    }

    public init(sha256: [UInt8], length: Int64, pieces: [Piece]) {
        (self.sha256, self.length, self.pieces) = (sha256, length, pieces)
    }

    /// What of each piece comes from an offset on.
    public func ranges(from offset: Int64) -> [(key: BlobKey, range: Range<Int64>)] {
        var start: Int64 = 0
        var ranges: [(key: BlobKey, range: Range<Int64>)] = []
        for piece in pieces {
            let skipped = min(max(0, offset - start), piece.length)
            if skipped < piece.length { ranges.append((piece.key, skipped..<piece.length)) }
            start += piece.length
        }
        return ranges
    }
}

/// Bytes that restored rows need.
public struct WantedBytes: Sendable, Hashable {
    /// SHA-256, 32 bytes.
    public var sha256: [UInt8]
    public var length: Int64
    /// The tenant has them already.
    public var isThere: Bool
    /// The digest, and behind it what the room tells by where the same bytes are to lie, if that may be several places.
    public var order: [UInt8]

    public init(sha256: [UInt8], length: Int64, isThere: Bool, order: [UInt8]? = nil) {
        (self.sha256, self.length, self.isThere, self.order) = (sha256, length, isThere, order ?? sha256)
    }
}

extension EntityRegistry {
    /// The groups that keep bytes.
    public var keepers: [any TenantBytes] { groups.compactMap { $0 as? any TenantBytes } }

    /// The tables that say where bytes of a tenant lie that are in backups.
    public var byteTables: Set<String> { keepers.reduce(into: []) { $0.formUnion($1.byteTables) } }
}
