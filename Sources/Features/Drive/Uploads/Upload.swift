import WaybillBlobs
import WaybillEngine

/// A file that is arriving, or has arrived, or never will.
///
/// Its fields are kept on the heap: whoever waits for bytes holds many copies of it, in each of a thousand requests.
@dynamicMemberLookup
struct Upload: Sendable, Equatable {
    enum Status: String, Sendable, CaseIterable, Codable {
        case inProgress = "InProgress"
        case completed = "Completed"
        case failed = "Failed"
        case expired = "Expired"
        case cancelled = "Cancelled"

        /// As its job has ended; nil while that has not.
        init?(ended state: JobState) {
            switch state {
            case .completed: self = .completed
            case .failed: self = .failed
            case .expired: self = .expired
            case .cancelled: self = .cancelled
            case .pending, .running, .paused: return nil
            }
        }
    }

    /// The protocol by which it was begun.
    enum Wire: String, Sendable, Codable { case chunks, plain, tus, resumable }

    /// What becomes of it.
    enum Role: Int, Sendable, CaseIterable {
        case file
        /// Nothing by itself: files are joined from it.
        case part
        /// The same, once all bytes are there: they are a blob.
        case sealedPart
        /// A file that is joined from parts.
        case joined
    }

    struct Fields: Sendable, Equatable {
        /// Of its job; the file has the same.
        var id: JobID
        var tenant: TenantID
        /// Whose it is.
        var account: String
        var name: String
        /// Nil until it is known.
        var size: Int64?
        var contentType: String
        /// The SHA-256 that was announced, 32 bytes.
        var hash: [UInt8]?
        var chunkSize: Int64
        var pool: String
        /// Where its file is to lie; empty: in the installation's own store.
        var store = BlobStores.own
        var bundle: String?
        var fileExpiresAt: Timestamp?
        /// Where its bytes are filled in, among the nodes; or `anyPlace`.
        var place: String
        var wire: Wire
        /// As the protocol has it that it was begun by.
        var metadata: String?
        var role = Role.file
        /// As tus has it, of what it is a part or is joined.
        var concat: String?
        /// Whether its file is to be encrypted, or was.
        var isEncrypted = false
        /// The password for that, closed; nil once it is not needed any more.
        var sealedPassword: [UInt8]?

        var status = Status.inProgress
        /// Grows with each request that takes the upload over.
        var fence: Int64 = 0
        /// The bytes that are durable.
        var stored = ByteExtents()
        /// What the quota is charged with.
        var charged: Int64 = 0
        var failure: String?
        /// The job that makes of its bytes what they are to be, while there is one.
        var finishing: JobID?
        /// Where its bytes are being encrypted to.
        var blob: String?
        var createdAt: Timestamp
        var updatedAt: Timestamp
        /// When bytes came last.
        var activeAt: Timestamp
    }

    private final class Storage: Sendable, Equatable {
        let fields: Fields
        init(_ fields: Fields) { self.fields = fields }
        static func == (one: Storage, other: Storage) -> Bool { one.fields == other.fields }
    }

    /// The place of uploads whose bytes are pieces in the store: any node can go on with them.
    static let anyPlace = "pieces"

    private var storage: Storage

    init(_ fields: Fields) { storage = Storage(fields) }

    subscript<Value>(dynamicMember path: WritableKeyPath<Fields, Value>) -> Value {
        get { storage.fields[keyPath: path] }
        set {
            var fields = storage.fields
            fields[keyPath: path] = newValue
            storage = Storage(fields)
        }
    }

    /// Whether what came is kept as pieces, each a blob of its own.
    var isPieced: Bool { self.place == Self.anyPlace }

    /// Nil while the size is not known.
    var plan: ChunkPlan? { self.size.map { ChunkPlan(size: $0, chunkSize: self.chunkSize) } }

    /// Percent of its bytes.
    var progress: Double {
        if self.status == .completed { return 100 }
        guard let size = self.size, size > 0 else { return 0 }
        return Double(self.stored.count) / Double(size) * 100
    }

    var isWhole: Bool { self.size.map { self.stored.prefix >= $0 } ?? false }
}
