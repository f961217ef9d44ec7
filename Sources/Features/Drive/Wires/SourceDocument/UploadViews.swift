import Formats
import HTTPTypes
import JobDoors
import WaybillEngine
import Web

/// An upload as the source document's interface shows it.
struct UploadView: Encodable, Sendable {
    var taskId: String
    var fileName: String
    var fileSize: Int64?
    var contentType: String
    var chunkSize: Int64
    var chunksCount: Int64?
    var chunksTotal: Int64?
    var chunksUploaded: Int64
    var uploadedBytes: Int64
    var uploadedChunks: [Int64]?
    var progress: Double
    var status: Upload.Status
    var hash: String?
    var poolId: String
    var bundleId: String?
    var expiredAt: WireTime?
    var fileId: String?
    var encrypted: Bool
    var finishingJobId: String?
    var errorMessage: String?
    var lastActivity: WireTime
    var createdAt: WireTime
    var updatedAt: WireTime

    /// - Parameter withChunks: also tells which chunks are there.
    init(_ upload: Upload, withChunks: Bool = false) {
        let plan = upload.plan
        taskId = upload.id.text
        fileName = upload.name
        fileSize = upload.size
        contentType = upload.contentType
        chunkSize = upload.chunkSize
        chunksCount = plan?.count
        chunksTotal = plan?.count
        chunksUploaded = plan?.storedCount(in: upload.stored) ?? 0
        uploadedBytes = upload.stored.count
        uploadedChunks = withChunks ? plan?.stored(in: upload.stored) ?? [] : nil
        progress = (upload.progress * 100).rounded() / 100
        status = upload.status
        hash = upload.hash.map { HexText.of($0) }
        poolId = upload.pool
        bundleId = upload.bundle
        expiredAt = WireTime(upload.fileExpiresAt)
        fileId = upload.status == .completed ? upload.id.text : nil
        encrypted = upload.isEncrypted
        finishingJobId = upload.finishing?.text
        errorMessage = upload.failure
        lastActivity = WireTime(upload.activeAt)
        createdAt = WireTime(upload.createdAt)
        updatedAt = WireTime(upload.updatedAt)
    }

    static let schema = Schema.object([
        "taskId": .uuid, "fileName": .string, "fileSize": .integer.optional, "contentType": .string, "chunkSize": .integer,
        "chunksCount": .integer.optional, "chunksTotal": .integer.optional, "chunksUploaded": .integer(min: 0),
        "uploadedBytes": .integer(min: 0), "uploadedChunks": .array(of: .integer(min: 0)).optional, "progress": .percent,
        "status": .enumeration(Upload.Status.self), "hash": .string.optional, "poolId": .uuid, "bundleId": .uuid.optional,
        "expiredAt": .dateTime.optional, "fileId": .uuid.optional, "encrypted": .boolean,
        "finishingJobId": Schema.uuid.described("the job that makes a file of it").optional, "errorMessage": .string.optional,
        "lastActivity": .dateTime,
        "createdAt": .dateTime, "updatedAt": .dateTime,
    ])
}

/// The answer to `POST create`.
struct UploadCreatedView: Encodable, Sendable {
    var fileExists: Bool
    var taskId: String?
    var chunkSize: Int64?
    var chunksCount: Int64?
    /// The one that is there already.
    var file: FileView?

    init(_ upload: Upload) {
        fileExists = false
        taskId = upload.id.text
        chunkSize = upload.chunkSize
        chunksCount = upload.plan?.count
    }

    init(existing file: DriveFile) {
        fileExists = true
        self.file = FileView(file)
    }

    static let schema = Schema.object([
        "fileExists": .boolean, "taskId": .uuid.optional, "chunkSize": .integer.optional, "chunksCount": .integer.optional,
        "file": Schema.ref("File").optional,
    ])
}

/// The answer to who has begun an upload, or sent more of it, in a form that answers with content.
struct UploadBegunView: Encodable, Sendable {
    var id: String
    /// Bytes that are kept, from the first on.
    var offset: Int64

    init(_ upload: Upload) {
        id = upload.id.text
        offset = upload.stored.prefix
    }

    static let schema = Schema.object([
        "id": Schema.uuid.described("of the upload"),
        "offset": Schema.integer(min: 0).described("bytes that are kept, from the first on"),
    ])
}

/// The answer to who completes an upload of which a job makes a file.
struct UploadFinishingView: Encodable, Sendable {
    /// The file will have it.
    var id: String
    var taskId: String
    var jobId: String?
    var status: Upload.Status

    init(_ upload: Upload) {
        id = upload.id.text
        taskId = upload.id.text
        jobId = upload.finishing?.text
        status = upload.status
    }

    static let schema = Schema.object([
        "id": Schema.uuid.described("the file will have it"), "taskId": .uuid,
        "jobId": Schema.uuid.described("makes the file; `/jobs/{id}` tells how far it is").optional,
        "status": .enumeration(Upload.Status.self),
    ])

    /// 202, to be asked for again.
    static func answer(_ upload: Upload) throws -> StoredAnswer {
        try StoredAnswer(
            status: 202, json: UploadFinishingView(upload),
            headers: [.location: "\(FileRoutes.path)/\(upload.id)", .retryAfter: "1"])
    }
}

/// Everything about one upload.
struct UploadDetailsView: Encodable, Sendable {
    struct Place: Encodable, Sendable {
        var id: String
        var name: String
    }

    var task: UploadView
    var pool: Place?
    var bundle: Place?
    var secondsLeft: Double?
    var bytesPerSecond: Double?

    init(_ upload: Upload, pool: Pool?, bundle: FileBundle?) {
        task = UploadView(upload, withChunks: true)
        self.pool = pool.map { Place(id: $0.id, name: $0.name) }
        self.bundle = bundle.map { Place(id: $0.id, name: $0.name) }
        let pace = UploadPace(upload)
        (secondsLeft, bytesPerSecond) = (pace.secondsLeft, pace.bytesPerSecond)
    }

    static let schema: Schema = {
        let place = Schema.object(["id": .uuid, "name": .string])
        return Schema.object([
            "task": .ref("Upload"), "pool": place.optional, "bundle": place.optional,
            "secondsLeft": Schema.number.described("as fast as it has been so far").optional,
            "bytesPerSecond": .number.optional,
        ])
    }()
}

/// What somebody's uploads come to.
struct UploadStatsView: Encodable, Sendable {
    var totalTasks: Int
    var inProgressTasks: Int
    var completedTasks: Int
    var failedTasks: Int
    var expiredTasks: Int
    var cancelledTasks: Int
    var totalUploadedBytes: Int64
    var averageProgress: Double
    var recentActivity: [UploadView]

    init(_ figures: UploadStore.Figures, recent: [Upload]) {
        totalTasks = figures.counts.values.reduce(0, +)
        inProgressTasks = figures.counts[.inProgress] ?? 0
        completedTasks = figures.counts[.completed] ?? 0
        failedTasks = figures.counts[.failed] ?? 0
        expiredTasks = figures.counts[.expired] ?? 0
        cancelledTasks = figures.counts[.cancelled] ?? 0
        totalUploadedBytes = figures.bytes
        averageProgress = (figures.averageProgress * 100).rounded() / 100
        recentActivity = recent.map { UploadView($0) }
    }

    static let schema = Schema.object([
        "totalTasks": .integer(min: 0), "inProgressTasks": .integer(min: 0), "completedTasks": .integer(min: 0),
        "failedTasks": .integer(min: 0), "expiredTasks": .integer(min: 0), "cancelledTasks": .integer(min: 0),
        "totalUploadedBytes": .integer(min: 0), "averageProgress": Schema.percent.described("of those in progress"),
        "recentActivity": .array(of: .ref("Upload")),
    ])
}
