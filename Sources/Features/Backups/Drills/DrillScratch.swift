import TenantData
import WaybillDatabases
import WaybillEngine

/// Removes the scratch tenants of drills, room by room, in short transactions.
public struct DrillScratch: Sendable {
    /// What a room does to remove some of a tenant; it says whether there may be more.
    public typealias Eraser = @Sendable (TenantID) async throws -> Bool

    private let database: any SQLDatabase
    private let registry: EntityRegistry
    private let erasers: [Eraser]

    public init(database: any SQLDatabase, registry: EntityRegistry, erasers: [Eraser]) {
        self.database = database
        self.registry = registry
        self.erasers = erasers
    }

    /// Removes all of a drill's scratch tenant. Nobody's lease is asked for, and it may be done by several at once: a scratch
    /// tenant that is removed is never filled again, since each that is begun has a name of its own.
    func drop(_ run: DrillStore.Run) async throws {
        // Nothing but a scratch tenant is ever removed here.
        guard run.scratch.isScratch(of: run.job) else { return }
        try await database.write(of: run.scratch) { [registry] session in
            try registry.release(job: run.job.text, of: run.scratch, in: session)
            try BackupStore().forget(job: run.job.text, tenant: run.scratch, in: session)
            for schedule in try JobSchedule.all(of: run.scratch, in: session) {
                try JobSchedule.remove(schedule.name, of: run.scratch, in: session)
            }
        }
        for erase in erasers { while try await erase(run.scratch) {} }
        try await database.write(of: run.tenant) { try DrillStore().dropped(run, in: $0) }
    }

    /// Removes what the drills of a tenant have left, and what is known of them: the tenant is being erased.
    public func erase(_ tenant: TenantID) async throws -> Bool {
        for run in try await database.read(of: tenant, { try DrillStore().standing(of: tenant, in: $0) }) {
            try await drop(run)
        }
        try await database.write(of: tenant) { try DrillStore().deleteAll(of: tenant, in: $0) }
        return false
    }

    /// Removes the scratch tenants of drills that have ended without removing them, and the results of jobs that are gone.
    public func sweep() async throws {
        for run in try await database.read({ try DrillStore().standing(of: nil, in: $0) }) {
            let job = try await database.read(of: run.tenant) { try FinishedJobs.find(run.job, of: run.tenant, in: $0) }
            if job?.state.isFinal ?? true { try await drop(run) }
        }
        var last = (tenant: "", job: "")
        while true {
            let after = last
            let page = try await database.read { try DrillStore().settled(after: after, limit: 200, in: $0) }
            guard let end = page.last else { return }
            for (name, id) in page {
                guard let tenant = TenantID(name), let job = JobID(id) else { continue }
                try await database.write(of: tenant) { session in
                    if try FinishedJobs.find(job, of: tenant, in: session) == nil {
                        try DrillStore().delete(job, of: tenant, in: session)
                    }
                }
            }
            last = end
        }
    }
}
