import Foundation

/// A file of the drive.
public struct WaybillFile: Sendable, Hashable, Codable, Identifiable {
    public var id: String
    public var name: String
    public var size: Int64
    public var contentType: String?
    /// SHA-256 in small hexadecimal digits.
    public var hash: String?
    public var poolId: String?
    public var bundleId: String?
    public var encrypted: Bool?
    public var createdAt: Date?
    public var updatedAt: Date?
    /// When it goes by itself.
    public var expiredAt: Date?
}

/// A place for files, and its rules.
public struct FilePool: Sendable, Hashable, Codable, Identifiable {
    public var id: String
    public var name: String
    public var maxFileSize: Int64?
    public var acceptTypes: [String]?
    public var allowEncryption: Bool?
    public var costFactor: Double?
    /// Files go there if nobody says where.
    public var `default`: Bool?
}

/// An upload as the server knows it.
public struct FileUploadTask: Sendable, Hashable, Codable, Identifiable {
    public var taskId: String
    public var fileName: String
    /// Nil while nobody has said it.
    public var fileSize: Int64?
    public var contentType: String?
    public var chunkSize: Int64
    public var chunksCount: Int64?
    public var uploadedBytes: Int64?
    /// From 0; only where one upload is asked for.
    public var uploadedChunks: [Int64]?
    /// Percent.
    public var progress: Double?
    /// `InProgress`, `Completed`, `Failed`, `Expired`, `Cancelled`.
    public var status: String
    public var hash: String?
    public var poolId: String?
    /// Whether it was begun with a password.
    public var encrypted: Bool?
    public var errorMessage: String?

    public var id: String { taskId }
}

/// How bytes go to the server.
public enum FileUploadProtocol: String, Sendable, Hashable, Codable, CaseIterable {
    /// In chunks, several side by side.
    case chunks
    /// tus 1.0: one after the other.
    case tus
    /// The IETF's resumable uploads: one after the other.
    case ietf
}

/// Where a file is to go, and how.
public struct FileUploadOptions: Sendable, Hashable {
    /// What it is called there; as here if nil.
    public var name: String?
    /// Its media type; guessed from the name's ending if nil.
    public var contentType: String?
    /// The pool's id or name; the default pool if nil.
    public var pool: String?
    public var wire: FileUploadProtocol
    /// How many chunks go side by side.
    public var parallel: Int
    /// The server encrypts the file with it. An upload that is gone on with keeps the one that it was begun with.
    public var password: String?

    public init(
        name: String? = nil, contentType: String? = nil, pool: String? = nil, wire: FileUploadProtocol = .chunks,
        parallel: Int = 4, password: String? = nil
    ) {
        self.name = name
        self.contentType = contentType
        self.pool = pool
        self.wire = wire
        self.parallel = max(1, parallel)
        self.password = password
    }
}

/// How a file is loaded down.
public struct FileDownloadOptions: Sendable, Hashable {
    /// How many ranges come side by side.
    public var parallel: Int
    /// Opens an encrypted file.
    public var password: String?

    public init(parallel: Int = 4, password: String? = nil) {
        self.parallel = max(1, parallel)
        self.password = password
    }
}

/// How far an upload is.
public struct FileUploadProgress: Sendable, Hashable {
    public enum Phase: Sendable, Hashable {
        /// The file is read for its SHA-256.
        case reading
        case sending
        /// All bytes are there; the server makes a file of them.
        case completing
    }

    public var phase: Phase
    public var bytes: Int64
    public var total: Int64
}

/// What came of an upload.
public struct UploadedFile: Sendable, Hashable {
    public var file: WaybillFile
    /// The caller had the same bytes there before, so that none were sent.
    public var wasThere: Bool
    /// So many bytes had come with an earlier try.
    public var resumedFrom: Int64
}
