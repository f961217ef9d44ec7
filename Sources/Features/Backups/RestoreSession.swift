import TenantData
import WaybillBlobs
import WaybillEngine

/// A restore: from the first document to its end, and until it can't be undone any more.
struct RestoreSession: Sendable, Hashable {
    enum Status: String, Sendable, CaseIterable, Encodable {
        /// Documents may come.
        case open
        case running
        case completed
        /// Nothing was changed; documents may come again.
        case failed
        case undone
    }

    enum Mode: String, Sendable, CaseIterable, Codable {
        /// The tenant must have nothing that the backup would take the place of.
        case empty
        /// What the tenant has gives way, and is kept for a time.
        case replace
    }

    var id: String
    var tenant: TenantID
    var user: String
    var mode: Mode
    /// The backup of this installation that it restores; nil: documents are uploaded.
    var from: String?
    var status: Status
    /// As it was sent.
    var manifest: String?
    var job: JobID?
    /// What it takes to undo it, by group.
    var undo: [String: String]?
    var undoUntil: Timestamp?
    var createdAt: Timestamp
    var updatedAt: Timestamp

    var takesDocuments: Bool { status == .open || status == .failed }

    func target(at: Timestamp, keptUntil: Timestamp) -> RestoreTarget {
        RestoreTarget(id: id, tenant: tenant, at: at, keptUntil: keptUntil)
    }
}

/// A document of a restore, as it lies in the store.
struct RestoreDocument: Sendable, Hashable {
    struct Piece: Sendable, Hashable, Codable {
        var key: String
        var length: Int64
    }

    var name: String
    var pieces: [Piece]
    /// The pieces are a deflate stream, as a backup of this installation keeps its files.
    var isDeflated: Bool
    /// Unpacked.
    var length: Int64
    /// Of the unpacked bytes, in hexadecimal digits; empty as long as they are not all there.
    var sha256: String
    /// How long it will be, of one that comes in ranges; nil once all of it is there.
    var total: Int64?
}
