import Administration
import ContentExport
import Dashboard
import Foundation
import Hummingbird
import Jobs
import Logging
import Notify
import ServiceLifecycle
import Synchronization
import UnixSignals
import WaybillBlobs
import WaybillDatabases
import WaybillEngine
import Web

/// The whole server: everything that `serve` starts and holds.
public struct WaybillServer: Sendable {
    public static let version = "0.1.0"

    private let loaded: LoadedSettings
    private let announce: @Sendable (String) -> Void

    /// - Parameter announce: tells the one who started it where it listens.
    public init(_ loaded: LoadedSettings, announce: @escaping @Sendable (String) -> Void) {
        self.loaded = loaded
        self.announce = announce
    }

    /// Runs until SIGTERM or SIGINT.
    public func run() async throws {
        let settings = loaded.settings
        MemorySetup.start()
        LogSetup.start(settings.log)
        let logger = Logger(label: "waybill")
        for warning in loaded.warnings { logger.warning("\(warning)") }
        let time = SystemTime()
        let folder = try await Installation(settings, migrating: settings.database.migrate == .auto, now: time.now())
        do {
            try await serve(settings, folder, time, logger)
        } catch {
            try await folder.close()
            throw error
        }
        try await folder.close()
    }

    private func serve(_ settings: Settings, _ folder: Installation, _ time: SystemTime, _ logger: Logger) async throws {
        let issuer = settings.access.jwksURL.map { url in
            IssuerKeysService(
                url: url, interval: settings.access.jwksRefresh, time: time, logger: Logger(label: "waybill.access"))
        }
        let floor = try await WebFloor(settings, folder, issuerKeys: issuer?.keys, time: time, logger: logger)
        let datasets = try await DatasetCatalog(settings.datasets, logger: Logger(label: "waybill.datasets"))
        let handlers = ContentFeature.handlers(
            database: folder.database, blobs: folder.blobs, rights: floor.rights, datasets: datasets,
            temporaryFolder: folder.temporaryFolder)
        // The engine runs the job that erases, and is asked by it.
        let running = RunningEngine()
        let erasers = [
            TenantEraser("engine") { tenant in
                guard let engine = running.engine else { return false }
                return try await !engine.eraseTenant(tenant)
            },
            TenantEraser("content") { tenant in
                try await folder.database.write { try ContentFeature.eraseSlice(of: tenant, in: $0) }
            },
            TenantEraser("notify") { tenant in
                try await folder.database.write { try NotifyStore().erase(tenant, in: $0) }
            },
            TenantEraser("web") { tenant in try await folder.database.write { try floor.eraseSlice(of: tenant, in: $0) } },
        ]
        let engine = JobEngine(
            database: folder.database, blobs: folder.blobs,
            handlers: JobHandlers(handlers + AdministrationFeature.handlers(erasers: erasers, blobs: folder.blobs)),
            configuration: EngineConfiguration(settings), name: Self.nodeName, time: time, logger: Logger(label: "waybill.engine")
        )
        running.engine = engine
        let content = ContentFeature(
            floor: floor, engine: engine, database: folder.database, blobs: folder.blobs, datasets: datasets,
            configuration: ContentFeature.Configuration(
                linkLifetime: settings.retention.linkTTL, publicURL: settings.server.publicURL ?? "",
                maxAttempts: settings.engine.maxAttempts, jobDeadline: settings.engine.jobDeadline,
                temporaryFolder: folder.temporaryFolder))
        let notify = NotifyService(
            database: folder.database, engine: engine, styles: Self.noticeStyles, time: time,
            logger: Logger(label: "waybill.notify"))

        let catalog = RouteCatalog(floor)
        let health = HealthBoard(
            time: time, checks: [.init("database") { _ = try await engine.counts() }])
        SystemRoutes(floor, health: health, version: BuildVersion(version: Self.version)).mount(catalog)
        SessionRoutes(floor).mount(catalog)
        JobRoutes(floor: floor, engine: engine, blobs: folder.blobs).mount(catalog)
        content.mount(catalog)
        AdministrationFeature(floor: floor, engine: engine) { UUID().uuidString.lowercased() }.mount(catalog)
        NotifyRoutes(floor: floor, database: folder.database).mount(catalog)
        if settings.dashboard.isEnabled { DashboardRoutes().mount(catalog) }

        let application = application(settings, catalog, floor, time)
        let sweep = ContentSweepService(database: folder.database, time: time, logger: Logger(label: "waybill.content"))
        let housekeeping = HousekeepingService(
            floor: floor, content: content, blobs: folder.blobs,
            uploadRetention: max(settings.retention.imports, settings.engine.jobDeadline + .seconds(3600)),
            orphanAge: settings.engine.orphanAge, time: time,
            logger: Logger(label: "waybill.housekeeping"))
        Self.measure(engine, floor)
        floor.metrics.measure(folder.blobMeter)
        // Shut down from the last to the first: no new requests, then the jobs come to a checkpoint.
        let group = ServiceGroup(
            configuration: ServiceGroupConfiguration(
                services: ([engine, sweep, notify, housekeeping, issuer, application] as [(any Service)?]).compactMap(\.self)
                    .map { .init(service: $0) },
                gracefulShutdownSignals: [.sigterm, .sigint], logger: logger))
        try await group.run()
    }

    private func application(
        _ settings: Settings, _ catalog: RouteCatalog, _ floor: WebFloor, _ time: SystemTime
    ) -> some ApplicationProtocol & Service {
        var limits = ServerLimits()
        limits.idle = .seconds(settings.server.idle.components.seconds)
        limits.connections = settings.server.maxConnections
        let announce = announce
        return Application(
            responder: catalog.responder(), server: limits.server(),
            configuration: limits.application(address: .hostname(settings.server.listen.host, port: settings.server.listen.port)),
            onServerRunning: { channel in
                let host = settings.server.listen.host
                let port = channel.localAddress?.port ?? settings.server.listen.port
                let address = "http://\(host.contains(":") ? "[\(host)]" : host):\(port)"
                announce("Waybill \(Self.version) listens on \(address)")
                guard settings.dashboard.isEnabled, let tenant = TenantID(settings.dashboard.tenant) else { return }
                let code = floor.codes.make(
                    for: .init(tenant: tenant, user: "admin", roles: ["admin"]), random: SystemRandom.bytes(32), now: time.now())
                announce("Sign in once, within ten minutes: \(address)/#signin=\(code)")
            }, logger: Logger(label: "waybill.http"))
    }

    /// What `/metrics` tells of the jobs; asked when it is scraped.
    private static func measure(_ engine: JobEngine, _ floor: WebFloor) {
        floor.metrics.gauge("waybill_engine_jobs", "Jobs that have not ended, by what they do", labels: ["state"]) {
            guard let counts = try? await engine.counts() else { return [] }
            return [
                .init(Double(counts.ready), labels: ["ready"]), .init(Double(counts.running), labels: ["running"]),
                .init(Double(counts.stalled), labels: ["stalled"]),
            ]
        }
    }

    private static let noticeStyles = NoticeStyles([
        ContentFeature.exportKind: NoticeStyle(
            noun: "Content export", link: "/content/export/{jobId}/download",
            counters: [.init("exported", "items exported"), .init("failed", "failed", isToldAtZero: false)]),
        ContentFeature.importKind: NoticeStyle(
            noun: "Content import", link: "/content/import/{jobId}",
            counters: [
                .init("inserted", "inserted"), .init("updated", "updated"), .init("failed", "failed", isToldAtZero: false),
            ]),
    ])

    /// Names this run of this process on this host.
    private static var nodeName: String {
        let random = SystemRandom.bytes(4).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        return "\(ProcessInfo.processInfo.hostName)-\(ProcessInfo.processInfo.processIdentifier)-\(random)"
    }
}

extension WebFloor {
    init(
        _ settings: Settings, _ folder: Installation, issuerKeys: RemoteKeys?, time: SystemTime, logger: Logger
    ) async throws {
        let access = settings.access
        var issuers = IssuerPolicy(remote: issuerKeys, issuer: access.issuer, audience: access.audience)
        if let file = access.jwksFile { issuers.keys = try await KeySet(json: try String(contentsOfFile: file, encoding: .utf8)) }
        self.init(
            database: folder.database, key: try SigningKeyFile.key(of: settings), issuers: issuers, time: time,
            random: SystemRandom.bytes,
            rate: .init(perSecond: Double(settings.rate.perSecond), burst: Double(settings.rate.burst)),
            streams: .init(total: settings.streams.total, perKey: settings.streams.perJob), logger: Logger(label: "waybill.web"))
    }
}

/// The engine, once there is one.
private final class RunningEngine: Sendable {
    private let held = Mutex<JobEngine?>(nil)

    var engine: JobEngine? {
        get { held.withLock { $0 } }
        set { held.withLock { $0 = newValue } }
    }
}
