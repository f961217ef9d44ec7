/// Sends the chunks of an upload that are missing, several side by side, and completes it.
struct ChunkSending: Sendable {
    /// How often the server may find that chunks are missing that it was sent.
    private static let roundsMax = 3

    let upload: FileUpload
    private var client: WaybillClient { upload.client }
    private var caller: Caller { upload.client.caller }
    private var meter: UploadMeter { upload.meter }

    func send(_ id: String) async throws -> WaybillFile {
        var rounds = 0
        while true {
            let task: FileUploadTask = try await client.retrying {
                try await caller.json(caller.request("GET", FileUpload.path + ["resume", id]))
            }
            let chunks = try Chunks(task, size: upload.source.size)
            meter.settle(at: chunks.storedBytes)
            if task.status == "InProgress" { try await send(chunks, of: id) }
            meter.completing()
            do {
                return try await upload.complete(id)
            } catch let error as WaybillClientError where error.problem?.code == "CHUNKS_MISSING" && rounds < Self.roundsMax {
                rounds += 1
            }
        }
    }

    private func send(_ chunks: Chunks, of id: String) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            var rest = chunks.missing[...]
            for _ in 0..<upload.options.parallel {
                guard let index = rest.popFirst() else { break }
                group.addTask { try await send(index, chunks.range(index), of: id) }
            }
            while try await group.next() != nil {
                guard let index = rest.popFirst() else { continue }
                group.addTask { try await send(index, chunks.range(index), of: id) }
            }
        }
    }

    private func send(_ index: Int64, _ range: Range<Int64>, of id: String) async throws {
        try await client.retrying {
            meter.begin(index)
            let body = upload.source.body(range) { [meter] in meter.sent($0, of: index) }
            let request = caller.request(
                "POST", FileUpload.path + ["chunk", id, "\(index)"], headers: [("Content-Type", "application/octet-stream")],
                body: body)
            do {
                try await caller.finish(request)
            } catch let error as WaybillClientError where error.problem?.code == "CHUNK_STORED" {
                // The answer to an earlier try was lost.
            }
        }
        meter.settle(index, bytes: range.upperBound - range.lowerBound)
    }
}

/// Which chunks a file has, and which of them are missing at the server.
struct Chunks: Sendable, Hashable {
    /// More than a server gives a file; so many are listed here, one by one.
    private static let countMax: Int64 = 1 << 20

    let size: Int64
    let chunkSize: Int64
    let missing: [Int64]

    /// - Throws: `WaybillClientError` with code `.unexpectedAnswer` if the upload is none of a file of that size.
    init(_ task: FileUploadTask, size: Int64) throws {
        guard task.chunkSize > 0, task.fileSize == size, size > 0 else {
            throw WaybillClientError(.unexpectedAnswer, "the server's upload is of another file")
        }
        let count = (size - 1) / task.chunkSize + 1
        guard count <= Self.countMax else {
            throw WaybillClientError(.unexpectedAnswer, "the server's upload has \(count) chunks, which are too many")
        }
        self.size = size
        chunkSize = task.chunkSize
        let stored = Set(task.uploadedChunks ?? [])
        missing = (0..<count).filter { !stored.contains($0) }
    }

    func range(_ index: Int64) -> Range<Int64> { index * chunkSize..<min(size, (index + 1) * chunkSize) }

    var storedBytes: Int64 {
        size - missing.reduce(0) { $0 + Int64(range($1).count) }
    }
}
