import Foundation

/// Sends one file: goes on with an upload of it that is open, or begins one, until the server has made a file of it.
struct FileUpload: Sendable {
    private static let pageSize = 200
    /// Nobody has more open uploads than that many pages; one that is not found is begun anew, and nothing is lost but time.
    private static let pagesMax = 50
    static let path = FileCalls.path + ["upload"]

    let client: WaybillClient
    let source: SourceFile
    /// SHA-256 in small hexadecimal digits.
    let hash: String
    let options: FileUploadOptions
    let meter: UploadMeter
    /// Names its beginning, so that one whose answer was lost is not begun twice.
    private let key = (name: "Idempotency-Key", value: UUID().uuidString)

    init(client: WaybillClient, source: SourceFile, hash: String, options: FileUploadOptions, meter: UploadMeter) {
        (self.client, self.source, self.hash, self.options, self.meter) = (client, source, hash, options, meter)
    }

    /// What goes with the request that begins it.
    var beginning: [(name: String, value: String)] {
        [key] + (options.password.map { [FilePassword.header($0)] } ?? [])
    }

    private var caller: Caller { client.caller }
    private var name: String { options.name ?? source.name }
    private var contentType: String { options.contentType ?? MediaTypes.guess(name) }

    private struct Body: Encodable {
        var fileName: String
        var fileSize: Int64
        var contentType: String
        var hash: String
        var poolId: String
    }

    private struct Created: Decodable {
        var fileExists: Bool
        var taskId: String?
        var file: WaybillFile?
    }

    func run() async throws -> UploadedFile {
        let pool = try await pool()
        if let open = try await openUpload(in: pool) {
            return try await send(open.taskId, begunWith: min(source.size, open.uploadedBytes ?? 0))
        }
        if let sending = byOffset {
            // Creating it does not tell then, and the end of an earlier try may have come after its client had gone.
            if options.password == nil, let file = try await existing() {
                if options.wire == .tus { try await TusPartsSending(upload: self).drop(partsOf: file.id) }
                return UploadedFile(file: file, wasThere: true, resumedFrom: 0)
            }
            let id = try await client.retrying { try await sending.begin(name: name, contentType: contentType, pool: pool) }
            return try await send(id)
        }
        let body = Body(fileName: name, fileSize: source.size, contentType: contentType, hash: hash, poolId: pool)
        let created: Created = try await client.retrying {
            try await caller.json(
                caller.request(
                    "POST", Self.path + ["create"], headers: [Caller.jsonContent] + beginning, body: try Caller.body(body)))
        }
        if created.fileExists, let file = created.file { return UploadedFile(file: file, wasThere: true, resumedFrom: 0) }
        guard let id = created.taskId else {
            throw WaybillClientError(.unexpectedAnswer, "the server neither has the file nor takes it")
        }
        return try await send(id)
    }

    /// - Parameter bytes: what the server says that it has of one that is gone on with; nil: it was begun just now.
    private func send(_ id: String, begunWith bytes: Int64? = nil) async throws -> UploadedFile {
        let parts = TusPartsSending(upload: self)
        // One that is gone on with may have been begun in parts, whatever is asked for now.
        if bytes != nil || TusPartsSending.count(source.size, options) != nil, let ids = try await parts.parts(of: id) {
            let (file, resumedFrom) = try await parts.send(id, ids)
            return UploadedFile(file: file, wasThere: false, resumedFrom: resumedFrom)
        }
        let file = if let byOffset { try await byOffset.send(id) } else { try await ChunkSending(upload: self).send(id) }
        return UploadedFile(file: file, wasThere: false, resumedFrom: bytes ?? 0)
    }

    /// Where bytes go one after the other; nil where they go in chunks.
    private var byOffset: (any OffsetSending)? {
        switch options.wire {
        case .tus: TusSending(upload: self)
        case .ietf: ResumableSending(upload: self)
        // An empty file has no chunks.
        case .chunks: source.size == 0 ? TusSending(upload: self) : nil
        }
    }

    /// The id of the pool that the file is to go to.
    private func pool() async throws -> String {
        let pools = try await client.retrying { try await client.files.pools() }
        if let wanted = options.pool {
            let found = pools.first { $0.id == wanted.lowercased() } ?? pools.first { $0.name == wanted }
            guard let found else {
                let names = pools.map(\.name).joined(separator: ", ")
                throw WaybillClientError(.invalidRequest, "there is no pool \"\(wanted)\"; there are: \(names)")
            }
            return found.id
        }
        guard let standard = pools.first(where: { $0.default == true }) else {
            throw WaybillClientError(.unexpectedAnswer, "the server has no default pool: say which")
        }
        return standard.id
    }

    /// The same file, if it is there under the same name.
    private func existing() async throws -> WaybillFile? {
        // What the name has in it is looked for, and a few others may have that.
        let query = [("name", String(name.prefix(60))), ("limit", "\(Self.pageSize)")]
        let files: [WaybillFile] = try await client.retrying {
            try await caller.json(caller.request("GET", FileCalls.path, query: query))
        }
        return files.first { $0.name == name && $0.hash == hash && $0.size == source.size }
    }

    /// An upload of the same file that has not ended.
    private func openUpload(in pool: String) async throws -> FileUploadTask? {
        for page in 0..<Self.pagesMax {
            let tasks = try await client.retrying {
                try await client.files.uploads(status: "InProgress", offset: page * Self.pageSize, limit: Self.pageSize)
            }
            let found = tasks.first {
                $0.hash == hash && $0.fileSize == source.size && $0.fileName == name && $0.poolId == pool
                    && ($0.encrypted ?? false) == (options.password != nil)
            }
            if found != nil || tasks.count < Self.pageSize { return found }
        }
        return nil
    }

    /// Has the server make a file of an upload, and waits while a job of it does that.
    func complete(_ id: String) async throws -> WaybillFile {
        while true {
            let (status, bytes) = try await client.retrying {
                let request = caller.request(
                    "POST", Self.path + ["complete", id], headers: [(name: "Accept", value: "application/json")])
                let response = try await caller.send(request)
                return (response.status, try await response.body.collect(bytesMax: Caller.answerBytesMax))
            }
            guard status == 202 else { return try Caller.decode(WaybillFile.self, bytes) }
            try await client.wait(Self.askedAgainAfter)
        }
    }

    private static let askedAgainAfter = Duration.seconds(1)
}

/// Media types by the ending of a name.
enum MediaTypes {
    private static let known: [String: String] = [
        "aac": "audio/aac", "avif": "image/avif", "csv": "text/csv", "flac": "audio/flac", "gif": "image/gif",
        "gz": "application/gzip", "html": "text/html", "jpeg": "image/jpeg", "jpg": "image/jpeg", "json": "application/json",
        "m4a": "audio/mp4", "md": "text/markdown", "mkv": "video/matroska", "mov": "video/quicktime", "mp3": "audio/mpeg",
        "mp4": "video/mp4", "ogg": "audio/ogg", "pdf": "application/pdf", "png": "image/png", "svg": "image/svg+xml",
        "tar": "application/x-tar", "tif": "image/tiff", "tiff": "image/tiff", "txt": "text/plain", "wav": "audio/wav",
        "webm": "video/webm", "webp": "image/webp", "xml": "application/xml", "zip": "application/zip", "zst": "application/zstd",
    ]

    static func guess(_ name: String) -> String {
        guard let dot = name.lastIndex(of: ".") else { return "application/octet-stream" }
        return known[name[name.index(after: dot)...].lowercased()] ?? "application/octet-stream"
    }
}
