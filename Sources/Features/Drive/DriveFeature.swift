import AuditTrail
import JobDoors
import Logging
import WaybillBlobs
import WaybillDatabases
import WaybillEngine
import Web

/// The drive: files that arrive piece by piece, and what is done with them afterwards.
public struct DriveFeature: Sendable {
    public struct Configuration: Sendable {
        /// No file is longer.
        public var fileBytesMax: Int64
        /// How long a chunk is if nobody says.
        public var chunkBytes: Int64
        public var chunkBytesMin: Int64
        public var chunkBytesMax: Int64
        /// After which an upload expires if nothing more comes.
        public var idle: Duration
        /// How long an ended upload is shown.
        public var retention: Duration
        /// How long a signed link is good for.
        public var linkLifetime: Duration
        /// What more bytes have to be read, encrypted or sent for at the end of an upload a job does.
        public var finishedAtOnceMax: Int64
        /// A staged file without an upload is removed when it is older; it may be one that is only just being begun.
        public var orphanAge: Duration
        /// Whether who uploads by the IETF's protocol is answered while his bytes are still coming (104).
        public var sendsInterim: Bool
        /// After so many appended bytes those that came are made durable, while more are coming.
        public var appendStepBytes: Int64 = 32 << 20
        /// When the pieces of an upload are written anew as one blob.
        public var merging = PieceMerging()
        /// What absolute links begin with; empty if the server doesn't know its address.
        public var publicURL: String

        public init(
            fileBytesMax: Int64 = 1 << 40, chunkBytes: Int64 = 5 << 20, chunkBytesMin: Int64 = 1 << 10,
            chunkBytesMax: Int64 = 16 << 20, idle: Duration = .seconds(86_400), retention: Duration = .seconds(30 * 86_400),
            linkLifetime: Duration = .seconds(3600), finishedAtOnceMax: Int64 = 64 << 20, orphanAge: Duration = .seconds(3600),
            sendsInterim: Bool = true, publicURL: String = ""
        ) {
            self.fileBytesMax = fileBytesMax
            self.chunkBytes = chunkBytes
            self.chunkBytesMin = chunkBytesMin
            self.chunkBytesMax = chunkBytesMax
            self.idle = idle
            self.retention = retention
            self.linkLifetime = linkLifetime
            self.finishedAtOnceMax = finishedAtOnceMax
            self.orphanAge = orphanAge
            self.sendsInterim = sendsInterim
            self.publicURL = publicURL
        }
    }

    let floor: WebFloor
    let engine: JobEngine
    let database: any SQLDatabase
    let stores: BlobStores
    let configuration: Configuration
    let sessions = UploadSessions()
    let passwords = PasswordWork()
    let passwordSeal: SecretSeal
    let pieces = BytePieces()
    /// For pieces on their way to the store, each of which takes the memory of a part.
    let putPlaces = CallPlaces(8)
    let ids: JobIDSource
    let storeHealth: StoreHealth
    /// Since when this process has its place of staged files for itself.
    let startedAt: Timestamp
    /// Reads the event log for those who listen; a service that must run where the routes are.
    public let feed: EventFeed

    public init(
        floor: WebFloor, engine: JobEngine, database: any SQLDatabase, stores: BlobStores, configuration: Configuration,
        running: RunningDrive = RunningDrive()
    ) {
        self.floor = floor
        self.engine = engine
        self.database = database
        self.stores = stores
        self.configuration = configuration
        storeHealth = StoreHealth(stores, time: floor.time)
        passwordSeal = floor.seal(for: .init("file passwords"))
        startedAt = floor.time.now()
        ids = JobIDSource(FloorRandom(bytes: floor.random))
        feed = EventFeed(
            UploadPackets(engine: engine, database: database), engine: engine, time: floor.time, logger: floor.logger)
        running.feature = self
    }

    public static let uploadKind = UploadJob.kind

    /// Ends uploads, whose end is told.
    public static let finishKind = FinishJob.kind

    /// The kinds of job of this door.
    /// - Parameter running: is told the feature once it is there.
    public static func handlers(_ running: RunningDrive) -> [any JobHandler] { [UploadJob(), FinishJob(running: running)] }

    public func mount(_ catalog: RouteCatalog) {
        UploadRoutes(self).mount(catalog)
        FileRoutes(self).mount(catalog)
        PlainUploadRoutes(self).mount(catalog)
        TusRoutes(self).mount(catalog)
        ResumableRoutes(self).mount(catalog)
        BundleRoutes(self).mount(catalog)
        PoolRoutes(self).mount(catalog)
        QuotaRoutes(self).mount(catalog)
        LiveRoutes(self).mount(catalog)
    }

    /// The blobs of all stores.
    var blobs: any BlobStore { stores.blobs }

    /// Where the bytes of an upload are filled in.
    /// - Throws: `BlobError` if the store that its file is to lie in is not there.
    func staging(of upload: Upload) throws -> any BlobStaging { try stores.staging(of: upload.store) }

    /// Where the bytes of a new upload to a store are kept until it is a file.
    /// - Throws: `BlobError` if the store is not there.
    func placeOfNew(to store: String) throws -> String {
        let staging = try stores.staging(of: store)
        return staging.prefersPieces ? Upload.anyPlace : staging.place
    }

    var limits: UploadMachine.Limits {
        .init(
            fileBytesMax: configuration.fileBytesMax, chunkBytesMin: configuration.chunkBytesMin,
            chunkBytesMax: configuration.chunkBytesMax, chunkBytes: configuration.chunkBytes, idle: configuration.idle)
    }

    /// Writes for the tenant of a request.
    func writing<T: Sendable>(
        for context: WebContext, _ body: @escaping @Sendable (any SQLSession) throws -> T
    ) async throws -> T {
        let tenant = try context.requirePrincipal().tenant
        return try await database.write(of: tenant) { session in
            try TenantGate.admit(tenant, since: context.arrivedAt, in: session)
            return try body(session)
        }
    }

    /// A link that is signed now and good for a while.
    func link(to path: String, of tenant: TenantID, until end: Timestamp? = nil) -> LinkView {
        let expires = floor.time.now().advanced(by: configuration.linkLifetime)
        let earlier = end.map { min($0, expires) } ?? expires
        return LinkView(
            url: "\(configuration.publicURL)\(path)?\(floor.links.sign(path: path, tenant: tenant, expires: earlier))",
            expiresAt: WireTime(earlier))
    }
}

/// A signed link.
struct LinkView: Encodable, Sendable {
    var url: String
    var expiresAt: WireTime

    static let schema = Schema.object(["url": .uri, "expiresAt": .dateTime])
}

/// The floor's randomness as a generator.
private struct FloorRandom: RandomNumberGenerator, Sendable {
    let bytes: @Sendable (Int) -> [UInt8]

    mutating func next() -> UInt64 { bytes(8).reduce(0) { $0 << 8 | UInt64($1) } }
}
