import AuditTrail
import Hummingbird
import JobDoors
import WaybillEngine
import Web

/// `/tenants`: what tenants there are, and their erasure.
struct TenantRoutes: Sendable {
    let feature: AdministrationFeature

    private struct View: Encodable {
        var name: String
        var state: String
    }

    func mount(_ catalog: RouteCatalog) {
        let list = RouteDoc("listTenants", "Lists the tenants", tag: "administration", access: .scope(.system))
            .answer(
                200, "all tenants that have ever done something",
                .object(["tenants": .array(of: .object(["name": .tenant, "state": .enumeration(["active", "erasing"])]))]))
        catalog.route(.get, "/tenants", list) { _, _ in
            let erasing = try await erasing()
            let known = try await feature.engine.eventTenants().map(\.0) + (try await feature.floor.rights.tenants())
            let names = Set(known.map(\.text)).union(erasing).sorted()
            return try JSONAnswer(["tenants": names.map { View(name: $0, state: erasing.contains($0) ? "erasing" : "active") }])
        }

        let erase = RouteDoc(
            "eraseTenant", "Erases a tenant: nothing of it is left", tag: "administration", access: .scope(.system)
        )
        .described(
            "From the answer on nobody of the tenant is let in: 410 `TENANT_ERASED`. Once the job has completed, a token that is "
                + "issued from then on makes a new tenant of the name; older ones stay refused. If the job fails the tenant "
                + "stays closed until it was retried or started again."
        )
        .path("tenant", .tenant).problems(409)
        .answer(202, "the job that erases it", .ref("Job"), headers: ["Location", "Retry-After"])
        catalog.change(.delete, "/tenants/{tenant}", erase) { _, context, ticket in
            let principal = try context.require(.system)
            guard let tenant = TenantID(try context.path("tenant")), !tenant.isScratch else {
                throw Problem.notFound("there is no such tenant")
            }
            guard tenant.text != TenantEraseJob.owner, let owner = TenantID(TenantEraseJob.owner) else {
                throw Problem.conflict("this tenant owns the erasures")
            }
            let request = JobRequest(
                kind: TenantEraseJob.kind, principal: Principal(tenant: owner, user: principal.user, roles: principal.roles),
                input: try JobCoding.encode(TenantEraseJob.Input(tenant: tenant)), uniqueKey: tenant.text, maxAttempts: 10)
            do {
                let gate = feature.floor.tenants
                let job = try await feature.engine.enqueue(request) { session, job in
                    // In the log of the erasures' owner: the tenant's own goes with the tenant.
                    let entry = AuditEntry(
                        .tenantErase, tenant.text, details: [AuditDetail("jobId", job.id.text)], tenant: owner)
                    try ticket.settle(session, try Self.accepted(job), auditing: entry)
                    try gate.close(tenant, now: job.createdAt, in: session)
                }
                gate.forget(tenant)
                return try Self.accepted(job)
            } catch let error as EngineError {
                throw JobDoor<JobView>.problem(error)
            }
        }
    }

    private static func accepted(_ job: JobRecord) throws -> StoredAnswer {
        try StoredAnswer.accepted(JobView(job, statusPath: "/jobs"), location: "/jobs/\(job.id)")
    }

    /// The tenants whose erasure has not ended.
    private func erasing() async throws -> Set<String> {
        guard let owner = TenantID(TenantEraseJob.owner) else { return [] }
        let (jobs, _) = try await feature.engine.list(
            JobFilter(tenant: owner, kinds: [TenantEraseJob.kind]), offset: 0, limit: 1000)
        return Set(
            try jobs.filter { !$0.state.isFinal }.map { try JobCoding.decode(TenantEraseJob.Input.self, $0.input).tenant.text })
    }
}
