import Administration
import AuditLog
import AuditTrail
import Backups
import ContentExport
import Dashboard
import Drive
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
    private let listens: Bool
    private let announce: @Sendable (String) -> Void

    /// - Parameters:
    ///   - listens: false: jobs are run, and nothing can be asked.
    ///   - announce: tells the one who started it where it listens.
    public init(_ loaded: LoadedSettings, listens: Bool = true, announce: @escaping @Sendable (String) -> Void) {
        self.loaded = loaded
        self.listens = listens
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
        let patience = StartPatience(
            patience: settings.database.startTimeout, time: time,
            chance: { Double(SystemRandom.bytes(1).first ?? 0) / 255 }, logger: logger)
        let folder = try await Installation(
            settings, migrating: settings.database.migrate == .auto, now: time.now(), patience: patience)
        if case .off(let reason) = folder.database.tenantIsolation, settings.database.isolation != .off {
            logger.warning("the database does not keep tenants apart, only the server does: \(reason)")
        }
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
            audit: floor.audit, temporaryFolder: folder.temporaryFolder)
        let auditHandlers = AuditLogFeature.handlers(database: folder.database, rights: floor.rights, time: time)
        let backups = try BackupParts(settings, folder, floor)
        // The engine runs the job that erases, and is asked by it.
        let running = RunningEngine()
        let uploads = RunningDrive()
        let rooms = Self.erasers(folder, floor)
        let scratch = backups.scratch(rooms.map(\.eraseSlice))
        let engine = JobEngine(
            database: folder.database, blobs: folder.blobs,
            handlers: JobHandlers(
                handlers + auditHandlers + backups.handlers(datasets: datasets, scratch: scratch) + DriveFeature.handlers(uploads)
                    + AdministrationFeature.handlers(erasers: Self.erasers(running, scratch) + rooms, blobs: folder.blobs)),
            configuration: EngineConfiguration(settings, host: Self.host, version: Self.version), name: Self.nodeName, time: time,
            logger: Logger(label: "waybill.engine"))
        running.engine = engine
        let content = ContentFeature(
            floor: floor, engine: engine, database: folder.database, blobs: folder.blobs, datasets: datasets,
            configuration: ContentFeature.Configuration(
                linkLifetime: settings.retention.linkTTL, publicURL: settings.server.publicURL ?? "",
                maxAttempts: settings.engine.maxAttempts, jobDeadline: settings.engine.jobDeadline,
                temporaryFolder: folder.temporaryFolder))
        let auditLog = AuditLogFeature(
            floor: floor, engine: engine, database: folder.database, blobs: folder.blobs,
            configuration: AuditLogFeature.Configuration(
                linkLifetime: settings.retention.linkTTL, publicURL: settings.server.publicURL ?? "",
                maxAttempts: settings.engine.maxAttempts, jobDeadline: settings.audit.exportDeadline,
                rowsPerFile: settings.audit.rowsPerFile))
        let drive = DriveFeature(settings, folder, floor, engine, uploads)
        let notify = NotifyService(
            database: folder.database, engine: engine, styles: Self.noticeStyles, time: time,
            logger: Logger(label: "waybill.notify"))

        let catalog = RouteCatalog(floor)
        let health = HealthBoard(
            time: time, checks: [.init("database") { _ = try await engine.counts() }])
        let system = SystemRoutes(floor, health: health, version: BuildVersion(version: Self.version))
        if settings.node.role == .worker {
            system.mountHealth(catalog)
        } else {
            system.mount(catalog)
            SessionRoutes(floor).mount(catalog)
            JobRoutes(floor: floor, engine: engine, blobs: folder.blobs).mount(catalog)
            content.mount(catalog)
            auditLog.mount(catalog)
            backups.feature(engine).mount(catalog)
            drive.mount(catalog)
            AdministrationFeature(floor: floor, engine: engine) { UUID().uuidString.lowercased() }.mount(catalog)
            NotifyRoutes(floor: floor, database: folder.database).mount(catalog)
            DashboardRoutes().mountClient(catalog)
            if settings.dashboard.isEnabled { DashboardRoutes().mount(catalog) }
        }

        let front: any Service =
            listens
            ? application(settings, catalog, floor, time)
            : SilentService { [announce] in announce("Waybill \(Self.version) works as \(engine.name)") }
        let audit = AuditService(
            database: folder.database, retention: settings.audit.retention, time: time, logger: Logger(label: "waybill.audit"))
        let sweep = ContentSweepService(database: folder.database, time: time, logger: Logger(label: "waybill.content"))
        let tidying = DriveSweepService(drive, logger: Logger(label: "waybill.drive"))
        let housekeeping = housekeeping(settings, folder, floor, content, scratch, time)
        Self.measure(engine, floor, folder)
        // Shut down from the last to the first: no new requests, then the jobs come to a checkpoint.
        let services: [(any Service)?] = [engine, sweep, audit, tidying, notify, housekeeping, issuer, drive.feed, front]
        let group = ServiceGroup(
            configuration: ServiceGroupConfiguration(
                services: services.compactMap(\.self).map { .init(service: $0) },
                gracefulShutdownSignals: [.sigterm, .sigint], logger: logger))
        try await group.run()
    }

    private func housekeeping(
        _ settings: Settings, _ folder: Installation, _ floor: WebFloor, _ content: ContentFeature, _ scratch: DrillScratch,
        _ time: SystemTime
    ) -> HousekeepingService {
        HousekeepingService(
            floor: floor, content: content, restores: RestoreSweep(database: folder.database, blobs: folder.blobs),
            restoreRetention: max(settings.backup.undoTime, settings.engine.jobDeadline) + .seconds(86_400),
            increments: IncrementSweep(settings, database: folder.database), blobs: folder.blobs,
            uploadRetention: max(settings.retention.imports, settings.engine.jobDeadline + .seconds(3600)),
            orphanAge: settings.engine.orphanAge, scratch: scratch, time: time, logger: Logger(label: "waybill.housekeeping"))
    }

    /// What goes first: whatever could write more.
    private static func erasers(_ running: RunningEngine, _ scratch: DrillScratch) -> [TenantEraser] {
        [
            TenantEraser("engine") { tenant in
                guard let engine = running.engine else { return false }
                return try await !engine.eraseTenant(tenant)
            },
            TenantEraser("drills") { tenant in try await scratch.erase(tenant) },
        ]
    }

    private static func erasers(_ folder: Installation, _ floor: WebFloor) -> [TenantEraser] {
        let (database, stores) = (folder.database, folder.stores)
        return [
            TenantEraser("drive") { tenant in
                let hasMore = try await DriveFeature.eraseSlice(of: tenant, database: database, stores: stores)
                return try await DriveFeature.eraseBytes(of: tenant, stores: stores) || hasMore
            },
            TenantEraser("content") { tenant in
                try await database.write { try ContentFeature.eraseSlice(of: tenant, in: $0) }
            },
            TenantEraser("backups") { tenant in
                try await database.write { try BackupFeature.eraseSlice(of: tenant, in: $0) }
            },
            TenantEraser("notify") { tenant in try await database.write { try NotifyStore().erase(tenant, in: $0) } },
            TenantEraser("audit") { tenant in try await database.write { try floor.audit.eraseSlice(of: tenant, in: $0) } },
            TenantEraser("web") { tenant in try await database.write { try floor.eraseSlice(of: tenant, in: $0) } },
        ]
    }

    private func application(
        _ settings: Settings, _ catalog: RouteCatalog, _ floor: WebFloor, _ time: SystemTime
    ) -> some ApplicationProtocol & Service {
        var limits = ServerLimits()
        limits.idle = .seconds(settings.server.idle.components.seconds)
        limits.connections = settings.server.maxConnections
        let announce = announce
        return Application(
            responder: catalog.responder(), server: limits.server(random: floor.random),
            configuration: limits.application(address: .hostname(settings.server.listen.host, port: settings.server.listen.port)),
            onServerRunning: { channel in
                let host = settings.server.listen.host
                let port = channel.localAddress?.port ?? settings.server.listen.port
                let address = "http://\(host.contains(":") ? "[\(host)]" : host):\(port)"
                announce("Waybill \(Self.version) listens on \(address)")
                guard settings.dashboard.isEnabled, settings.node.role != .worker,
                    let tenant = TenantID(settings.dashboard.tenant)
                else { return }
                let code = floor.codes.make(
                    for: .init(tenant: tenant, user: "admin", roles: ["admin"]), random: SystemRandom.bytes(32), now: time.now())
                announce("Sign in once, within ten minutes: \(address)/#signin=\(code)")
            }, logger: Logger(label: "waybill.http"))
    }

    /// What `/metrics` tells of the jobs; asked when it is scraped.
    private static func measure(_ engine: JobEngine, _ floor: WebFloor, _ folder: Installation) {
        floor.metrics.measure(folder.blobMeter)
        floor.metrics.gauge("waybill_engine_nodes", "Nodes of the installation", labels: ["role", "state"]) {
            guard let nodes = try? await engine.nodes(offset: 0, limit: 10_000).nodes else { return [] }
            let counts = Dictionary(grouping: nodes) {
                [NodeRole(rawValue: $0.role)?.rawValue ?? "other", $0.isSilent ? "silent" : "alive"]
            }
            return counts.map { .init(Double($0.value.count), labels: $0.key) }
        }
        floor.metrics.gauge("waybill_engine_jobs", "Jobs that have not ended, by what they do", labels: ["state"]) {
            guard let counts = try? await engine.counts() else { return [] }
            return [
                .init(Double(counts.ready), labels: ["ready"]), .init(Double(counts.running), labels: ["running"]),
                .init(Double(counts.stalled), labels: ["stalled"]),
            ]
        }
    }

    private static let noticeStyles = NoticeStyles(ends, silent: [DriveFeature.finishKind])

    private static let ends: [JobKind: NoticeStyle] = [
        ContentFeature.exportKind: NoticeStyle(
            noun: "Content export", link: "/content/export/{jobId}/download",
            counters: [.init("exported", "items exported"), .init("failed", "failed", isToldAtZero: false)]),
        ContentFeature.importKind: NoticeStyle(
            noun: "Content import", link: "/content/import/{jobId}",
            counters: [
                .init("inserted", "inserted"), .init("updated", "updated"), .init("failed", "failed", isToldAtZero: false),
            ]),
        AuditLogFeature.exportKind: NoticeStyle(
            noun: "Audit log export", link: "/_api/v3/audit-log-bulk-export/{jobId}/download",
            counters: [.init("exported", "events exported")],
            nothing: "No event matched; the archive holds an empty file."),
        BackupFeature.kind: NoticeStyle(
            noun: "Backup", link: "/backup/jobs/{jobId}/download", counters: [.init("exported", "rows saved")]),
        BackupFeature.restoreKind: NoticeStyle(
            noun: "Restore", link: "/jobs/{jobId}", counters: [.init("rows", "rows restored")]),
        BackupFeature.drillKind: NoticeStyle(
            noun: "Restore drill", link: "/backup/drills/{jobId}", counters: [.init("rows", "rows compared")]),
        DriveFeature.uploadKind: NoticeStyle(noun: "Upload", link: "/api/files/{jobId}", counters: [.init("bytes", "bytes")]),
    ]

    private static var host: String { ProcessInfo.processInfo.hostName }

    /// Names this run of this process on this host.
    private static var nodeName: String {
        let random = SystemRandom.bytes(4).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        return "\(host)-\(ProcessInfo.processInfo.processIdentifier)-\(random)"
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
            database: folder.database, audit: AuditStore(isEnabled: settings.audit.isEnabled),
            key: try SigningKeyFile.key(of: settings), issuers: issuers, time: time,
            random: SystemRandom.bytes,
            rate: .init(perSecond: Double(settings.rate.perSecond), burst: Double(settings.rate.burst)),
            streams: .init(total: settings.streams.total, perKey: settings.streams.perJob), logger: Logger(label: "waybill.web"))
    }
}

extension DriveFeature {
    fileprivate init(
        _ settings: Settings, _ folder: Installation, _ floor: WebFloor, _ engine: JobEngine, _ running: RunningDrive
    ) {
        self.init(
            floor: floor, engine: engine, database: folder.database, stores: folder.stores,
            configuration: DriveFeature.Configuration(settings), running: running)
    }
}

/// In the place of a server that listens: says that it has started.
private struct SilentService: Service {
    let announce: @Sendable () -> Void

    func run() async throws {
        announce()
        try await gracefulShutdown()
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
