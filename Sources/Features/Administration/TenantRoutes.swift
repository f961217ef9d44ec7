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
        .path("tenant", .tenant).problems(409)
        .answer(202, "the job that erases it", .ref("Job"), headers: ["Location", "Retry-After"])
        catalog.route(.delete, "/tenants/{tenant}", erase) { _, context in
            let principal = try context.require(.system)
            guard let tenant = TenantID(try context.path("tenant")) else { throw Problem.notFound("there is no such tenant") }
            guard tenant.text != TenantEraseJob.owner, let owner = TenantID(TenantEraseJob.owner) else {
                throw Problem.conflict("this tenant owns the erasures")
            }
            let job: JobRecord
            do {
                job = try await feature.engine.enqueue(
                    TenantEraseJob.self, TenantEraseJob.Input(tenant: tenant),
                    for: Principal(tenant: owner, user: principal.user, roles: principal.roles), uniqueKey: tenant.text,
                    maxAttempts: 10)
            } catch let error as EngineError {
                throw JobDoor<JobView>.problem(error)
            }
            return try JSONAnswer.accepted(JobView(job, statusPath: "/jobs"), location: "/jobs/\(job.id)")
        }
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
