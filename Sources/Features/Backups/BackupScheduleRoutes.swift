import AuditTrail
import Crypto
import Formats
import Hummingbird
import WaybillEngine
import Web

/// `/backup/schedules`: backups that are made, and tried, again and again.
struct BackupScheduleRoutes: Sendable {
    static let path = "/backup/schedules"

    private struct View: Encodable, Sendable {
        enum Kind: String, Encodable, Sendable, CaseIterable {
            case backup, drill
        }

        var scheduleId: String
        var kind: Kind
        var cron: String
        var nextAt: WireTime
        var entities: [String]?
        var since: String?
        var recipients: [String]?
        /// The backup that is tried; nil: the newest one.
        var jobId: String?

        init(_ schedule: JobSchedule) throws {
            scheduleId = schedule.name
            cron = schedule.cron
            nextAt = WireTime(schedule.nextAt)
            kind = schedule.kind == DrillJob.kind ? .drill : .backup
            switch kind {
            case .backup:
                let request = try JobCoding.decode(BackupRequest.self, schedule.input)
                (entities, since, recipients) = (request.entities, request.since, request.recipients)
            case .drill: jobId = try JobCoding.decode(DrillJob.Input.self, schedule.input).backup
            }
        }

        static let schema = Schema.object([
            "scheduleId": .string, "kind": .enumeration(Kind.self), "cron": .string, "nextAt": .dateTime,
            "entities": .array(of: .string).optional, "since": .string.optional, "recipients": .array(of: .string).optional,
            "jobId": .uuid.optional,
        ])
    }

    let feature: BackupFeature

    init(_ feature: BackupFeature) {
        self.feature = feature
    }

    func mount(_ catalog: RouteCatalog) {
        catalog.component("BackupSchedule", View.schema)
        let list = RouteDoc(
            "listBackupSchedules", "Lists schedules of backups and of drills", tag: "backup", access: .scope(.backupRead)
        )
        .answer(200, "all of them", .array(of: .ref("BackupSchedule")))
        catalog.route(.get, Self.path, list) { _, context in
            try JSONAnswer(try await schedules(of: try context.requirePrincipal().tenant).map { try View($0) })
        }
        let remove = RouteDoc("removeBackupSchedule", "Removes a schedule", tag: "backup", access: .scope(.backupWrite))
            .path("scheduleId", .string(1...100)).answer(204, "it is gone")
        catalog.change(.delete, "\(Self.path)/{scheduleId}", remove) { _, context, ticket in
            let tenant = try context.requirePrincipal().tenant
            let name = try context.path("scheduleId")
            guard try await schedules(of: tenant).contains(where: { $0.name == name }),
                try await feature.engine.removeSchedule(
                    name, of: tenant,
                    writing: { try ticket.settle($0, .noContent, auditing: AuditEntry(.backupScheduleRemove, name)) })
            else { throw Problem.notFound("there is no such schedule") }
            return .noContent
        }
    }

    private func schedules(of tenant: TenantID) async throws -> [JobSchedule] {
        try await feature.engine.schedules(of: tenant).filter { $0.kind == BackupJob.kind || $0.kind == DrillJob.kind }
    }

    /// Stores a schedule. One with the same times and the same input is the same one, so that nothing is done twice.
    func put(
        _ cron: String, _ input: String, kind: JobKind, for principal: Principal, _ context: WebContext,
        _ ticket: IdempotencyTicket
    ) async throws -> StoredAnswer {
        let name =
            (kind == DrillJob.kind ? "drill-" : "backup-")
            + HexText.of(SHA256.hash(data: Array("\(cron)\n\(input)".utf8)).prefix(8))
        do {
            let stored = try await feature.engine.put(
                JobSchedule(
                    name: name, cron: cron, kind: kind, principal: principal, input: input,
                    maxAttempts: feature.configuration.maxAttempts)
            ) { session in
                try TenantGate.admit(principal.tenant, since: context.arrivedAt, in: session)
                try ticket.record(AuditEntry(.backupScheduleStore, name, details: [AuditDetail("cron", cron)]), in: session)
            }
            return try StoredAnswer(status: 201, json: try View(stored), headers: [.location: "\(Self.path)/\(name)"])
        } catch let error as EngineError where error.code == .invalid {
            throw Problem.invalid("cron", error.message)
        }
    }
}
