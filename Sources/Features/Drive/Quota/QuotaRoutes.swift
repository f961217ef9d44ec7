import AuditTrail
import Hummingbird
import WaybillDatabases
import WaybillEngine
import Web

/// `/api/quota`: what one holds and may hold.
struct QuotaRoutes: Sendable {
    static let path = "/api/quota"

    let feature: DriveFeature

    init(_ feature: DriveFeature) {
        self.feature = feature
    }

    private struct Body: JSONBody {
        static let fields: Set = ["account", "bytes", "files"]
        var account: String?
        var bytes: Int64?
        var files: Int64?

        static let schema = Schema.body([
            "account": Schema.string(1...255).described("whose; without it, the whole tenant's").optional,
            "bytes": Schema.integer(min: 0).nullable.optional, "files": Schema.integer(min: 0).nullable.optional,
        ])
    }

    /// Of one account, or of the tenant.
    private struct Held: Encodable {
        var used: Int64
        var reserved: Int64
        var limit: Int64?
        var usedFiles: Int64
        var reservedFiles: Int64
        var limitFiles: Int64?

        init(_ usage: Usage) {
            (used, reserved, limit) = (usage.used.bytes, usage.reserved.bytes, usage.bytesMax)
            (usedFiles, reservedFiles, limitFiles) = (usage.used.files, usage.reserved.files, usage.filesMax)
        }

        static let schema = Schema.object([
            "used": Schema.integer(min: 0).described("bytes, as their pools count them"),
            "reserved": Schema.integer(min: 0).described("for uploads that have not ended"),
            "limit": Schema.integer(min: 0).described("left out: none").optional, "usedFiles": .integer(min: 0),
            "reservedFiles": .integer(min: 0), "limitFiles": .integer(min: 0).optional,
        ])
    }

    private struct View: Encodable {
        var account: Held
        var tenant: Held
    }

    func mount(_ catalog: RouteCatalog) {
        catalog.component("Held", Held.schema)
        let schema = Schema.object(["account": .ref("Held"), "tenant": .ref("Held")])
        let show = RouteDoc("showQuota", "Shows what one holds and may hold", tag: "files", access: .scope(.filesWrite))
            .answer(200, "one's own account, and the tenant", schema)
        catalog.route(.get, Self.path, show) { _, context in
            let principal = try context.requirePrincipal()
            return try JSONAnswer(
                try await feature.database.read(of: principal.tenant) {
                    try Self.view(of: principal.user, principal.tenant, in: $0)
                })
        }

        let set = RouteDoc("setQuota", "Sets what may be held", tag: "files", access: .scope(.tenantAdmin)).body(Body.schema)
            .described("What is left out or null has no limit. Who holds more than that keeps it.")
            .answer(200, "the account that was named, and the tenant", schema)
        catalog.change(.put, Self.path, set) { request, context, ticket in
            let principal = try context.require(.tenantAdmin)
            let body = try await request.json(Body.self).value
            for (name, value) in [("bytes", body.bytes), ("files", body.files)] {
                if let value, value < 0 { throw Problem.invalid(name, "must be 0 or more") }
            }
            if let account = body.account, !(1...255).contains(account.utf8.count) {
                throw Problem.invalid("account", "must have 1 to 255 bytes")
            }
            return try await feature.writing(for: context) { session in
                try QuotaStore().limit(
                    bytes: body.bytes, files: body.files, of: body.account, principal.tenant, in: session)
                let view = try Self.view(of: body.account ?? principal.user, principal.tenant, in: session)
                let answer = try StoredAnswer(status: 200, json: view)
                let entry = AuditEntry(
                    .quotaSet, body.account,
                    details: [
                        AuditDetail("bytes", body.bytes.map { "\($0)" } ?? "none"),
                        AuditDetail("files", body.files.map { "\($0)" } ?? "none"),
                    ])
                try ticket.settle(session, answer, auditing: entry)
                return answer
            }
        }
    }

    private static func view(of account: String, _ tenant: TenantID, in session: any SQLSession) throws -> View {
        View(
            account: Held(try QuotaStore().find(of: account, tenant, in: session)),
            tenant: Held(try QuotaStore().find(of: nil, tenant, in: session)))
    }
}
