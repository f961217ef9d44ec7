import WaybillBlobs
import WaybillDiskBlobs
import WaybillS3Blobs
import WaybillSQLite

/// The store that the settings name, with its wrappers, and what is to be closed with it.
struct OpenBlobs: Sendable {
    /// How many calls a store beyond the network gets at a time.
    private static let callsMax = 128

    let store: any BlobStore
    /// Where files are filled until they become blobs of it.
    let staging: any BlobStaging
    let meter: BlobMeter
    /// The store before its check, and what can be waited for; nil for a folder, which is there.
    let remote: Remote?
    let close: @Sendable () async throws -> Void

    /// A store beyond the network.
    struct Remote: Sendable {
        let checked: CheckedBlobs
        let unchecked: any BlobStore
        /// Looks whether it is there.
        let prepare: @Sendable () async throws -> Void
    }

    /// - Parameters:
    ///   - data: the data folder, or the part of it where files for a store elsewhere are filled.
    ///   - meter: counts its calls.
    ///   - mayBeAway: nobody looks yet whether it is there.
    /// - Throws: `BlobError`; `SQLError` if another process holds the folder.
    init(
        _ place: BlobSettings.Place, data: String, meter: BlobMeter = BlobMeter(), mayBeAway: Bool = false
    ) async throws {
        switch place {
        case .data: try self.init(folder: data, lock: nil, meter)
        case .folder(let path):
            try Installation.make(path)
            try self.init(folder: path, lock: try FolderLock(path: path), meter)
        case .s3(let configuration, let credentials):
            self.init(configuration, credentials, spool: data, meter)
            if !mayBeAway { try await prepare() }
        }
    }

    private init(folder: String, lock: FolderLock?, _ meter: BlobMeter) throws {
        self.meter = meter
        let disk = try DiskBlobs(root: folder)
        store = MeasuredBlobs(disk, meter, now: OpenBlobs.now)
        staging = disk.staging
        remote = nil
        close = { lock?.release() }
    }

    private func prepare() async throws {
        do {
            try await remote?.prepare()
        } catch {
            try await close()
            throw error
        }
    }

    private init(
        _ configuration: S3Configuration, _ credentials: S3CredentialPlace, spool folder: String, _ meter: BlobMeter
    ) {
        self.meter = meter
        let retries = BlobRetries(
            sleep: { try await Task.sleep(for: $0) }, random: { SystemRandom.bytes(8).reduce(0) { $0 << 8 | UInt64($1) } })
        let s3 = S3Blobs(
            configuration, retries: retries, now: { ProcessFacts.clock },
            credentials: S3CredentialSource(credentials, now: { ProcessFacts.clock }))
        let unchecked = RetryingBlobs(
            LimitedBlobs(MeasuredBlobs(s3, meter, now: OpenBlobs.now), callsMax: OpenBlobs.callsMax), retries)
        let checked = CheckedBlobs(unchecked)
        store = checked
        staging = SpooledStaging(
            DiskStaging(spool: folder), store: checked, place: "\(ProcessFacts.host):\(folder)")
        close = { try await s3.close() }
        remote = Remote(checked: checked, unchecked: unchecked) {
            // A store that starts together with this server may need some seconds.
            try await retries.run({ ($0 as? BlobError)?.code == .unavailable ? .zero : nil }) { _ in try await s3.prepare() }
        }
    }

    private static let started = ContinuousClock.now
    @Sendable private static func now() -> Duration { started.duration(to: .now) }
}
