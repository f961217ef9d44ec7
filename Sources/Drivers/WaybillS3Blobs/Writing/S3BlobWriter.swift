import NIOCore
import WaybillBlobs

/// Gathers bytes for a part and sends parts behind its caller's back, a few at a time. A blob that is smaller than a part goes
/// whole. What goes wrong on the way is thrown by a later call.
actor S3BlobWriter: BlobWriter {
    private let key: BlobKey
    private let object: String
    private let mode: BlobWriteMode
    private let marker: String
    private let uploads: S3Uploads
    private let service: S3TransferService
    private let plan: PartPlan

    private var gathered = ByteBuffer()
    private var hash: BlobHash
    private let lengthBefore: Int64
    private var hasEnded = false
    private var isFailed = false
    private var upload: S3Uploads.Upload?
    private var sent = 0
    private var onTheWay: [Task<S3Uploads.Part, any Error>] = []
    private var parts: [S3Uploads.Part] = []

    /// - Parameter marker: tells this writer's object from that of any other.
    init(
        key: BlobKey, object: String, mode: BlobWriteMode, hash: BlobHash, marker: String, plan: PartPlan, uploads: S3Uploads,
        service: S3TransferService
    ) {
        self.hash = hash
        lengthBefore = hash.length
        self.key = key
        self.object = object
        self.mode = mode
        self.marker = marker
        self.plan = plan
        self.uploads = uploads
        self.service = service
    }

    deinit {
        guard let upload else { return }
        for task in onTheWay { task.cancel() }
        service.leave { [uploads] in await uploads.abort(upload) }
    }

    func append(_ bytes: [UInt8]) async throws {
        guard !hasEnded else { throw BlobError(.other, "the writer of \(key) has ended") }
        guard !isFailed else { throw BlobError(.other, "an earlier write of \(key) failed") }
        do {
            hash.update(bytes)
            var rest = bytes[...]
            while !rest.isEmpty {
                guard let size = plan.bytes(ofPart: sent + 1) else {
                    throw BlobError(.full, "\(key) has more parts than a store takes")
                }
                if gathered.readableBytes == 0, sent > 0 { gathered.reserveCapacity(size) }
                let piece = rest.prefix(size - gathered.readableBytes)
                gathered.writeBytes(piece)
                rest = rest.dropFirst(piece.count)
                if gathered.readableBytes >= size { try await sendPart(size) }
            }
        } catch {
            isFailed = true
            throw S3Blobs.told(error, "writing \(key)")
        }
    }

    func finish() async throws -> BlobDigest {
        guard !hasEnded else { throw BlobError(.other, "the writer of \(key) has ended") }
        hasEnded = true
        do {
            guard !isFailed else { throw BlobError(.other, "an earlier write of \(key) failed") }
            if upload == nil { try await put() } else { try await complete() }
            upload = nil
            return BlobDigest(length: hash.length - lengthBefore, hash: hash)
        } catch {
            await drop(unlessDone: error)
            throw S3Blobs.told(error, "storing \(key)")
        }
    }

    func abandon() async {
        guard !hasEnded else { return }
        hasEnded = true
        await drop(unlessDone: nil)
    }

    private func put() async throws {
        // The store checks what it is sent, which is less than what was hashed where the blob comes behind others.
        let sha256 = lengthBefore == 0 ? hash.sha256 : Self.sha256(gathered)
        let task = try await service.start { [gathered, uploads, object, mode, marker] in
            try await uploads.put(gathered, sha256: sha256, at: object, mode, marker: marker)
        }
        gathered = ByteBuffer()
        try await withTaskCancellationHandler {
            try await task.value
        } onCancel: {
            task.cancel()
        }
    }

    private static func sha256(_ bytes: ByteBuffer) -> [UInt8] {
        var hash = BlobHash()
        bytes.withUnsafeReadableBytes { hash.update($0) }
        return hash.sha256
    }

    private func complete() async throws {
        if gathered.readableBytes > 0 { try await sendPart(gathered.readableBytes) }
        while !onTheWay.isEmpty { try await settleOldest() }
        guard let upload else { return }
        try await uploads.complete(upload, parts, mode)
    }

    private func sendPart(_ size: Int) async throws {
        let upload: S3Uploads.Upload
        if let started = self.upload {
            upload = started
        } else {
            upload = try await uploads.start(object, marker: marker)
            self.upload = upload
        }
        while onTheWay.count >= plan.partsInFlight(ofBytes: size) { try await settleOldest() }
        sent += 1
        let task = try await service.start { [gathered, uploads, number = sent] in
            try await uploads.part(gathered, number: number, of: upload)
        }
        onTheWay.append(task)
        gathered = ByteBuffer()
    }

    private func settleOldest() async throws {
        let task = onTheWay.removeFirst()
        parts.append(
            try await withTaskCancellationHandler {
                try await task.value
            } onCancel: {
                task.cancel()
            })
    }

    /// Gives up what is on the way, and the upload. One that may have been completed is left alone: the sweep knows by then.
    private func drop(unlessDone error: (any Error)?) async {
        gathered = ByteBuffer()
        let tasks = onTheWay
        onTheWay = []
        for task in tasks { task.cancel() }
        for task in tasks { _ = await task.result }
        guard let upload = self.upload.take() else { return }
        if let failure = error as? S3Failure, failure.effect == .unknown, parts.count == sent { return }
        await service.complete { [uploads] in await uploads.abort(upload) }
    }
}
