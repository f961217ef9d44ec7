import AuditTrail
import HTTPTypes
import Hummingbird
import WaybillBlobs
import WaybillDatabases
import WaybillEngine
import Web

/// `/api/pools`: the places for files, and their rules.
struct PoolRoutes: Sendable {
    static let path = "/api/pools"
    /// What the installation's own store is called here.
    private static let ownStore = "default"

    let feature: DriveFeature

    init(_ feature: DriveFeature) {
        self.feature = feature
    }

    private struct Body: JSONBody {
        static let fields: Set = ["name", "store", "maxFileSize", "acceptTypes", "allowEncryption", "costFactor", "default"]
        var name: String
        var store: String?
        var maxFileSize: Int64?
        var acceptTypes: [String]?
        var allowEncryption: Bool?
        var costFactor: Double?
        var `default`: Bool?

        static let schema = Schema.body([
            "name": .string(1...255),
            "store": Schema.string(1...63).described("where its uploads go: a store of the configuration, or `default`").optional,
            "maxFileSize": Schema.integer(min: 1).nullable.optional,
            "acceptTypes": Schema.array(of: .string(3...255), 0...100).described("`image/*`, `text/csv`; none: all").optional,
            "allowEncryption": .boolean.optional,
            "costFactor": Schema.number.described("what a byte counts in quotas; 1 by default, 0 to 1000").optional,
            "default": Schema.boolean.described("files go there if nobody says where").optional,
        ])

        /// - Parameter before: the pool that is changed; one of its things stays unless something is said: its store.
        /// - Throws: a 400 problem.
        func pool(id: String, _ before: Pool?, _ stores: BlobStores, createdAt: Timestamp, now: Timestamp) throws -> Pool {
            if let reason = UploadFields.wrong(name: name) { throw Problem.invalid("name", reason) }
            if let maxFileSize, maxFileSize < 1 { throw Problem.invalid("maxFileSize", "must be 1 or more") }
            let types = (acceptTypes ?? []).map { $0.lowercased() }
            guard types.count <= 100, types.allSatisfy({ UploadFields.isMediaType($0) && !$0.contains(" ") && !$0.contains(";") })
            else { throw Problem.invalid("acceptTypes", "must be media types, as image/* or text/csv") }
            let factor = costFactor ?? 1
            guard factor.isFinite, (0...1000).contains(factor) else {
                throw Problem.invalid("costFactor", "must be from 0 to 1000")
            }
            let store = try self.store(before?.store ?? BlobStores.own, stores)
            return Pool(
                id: id, name: name, store: store, fileBytesMax: maxFileSize, acceptTypes: types,
                allowsEncryption: allowEncryption ?? true,
                costFactor: factor, isDefault: `default` ?? false, createdAt: createdAt, updatedAt: now)
        }

        private func store(_ before: String, _ stores: BlobStores) throws -> String {
            guard let store else { return before }
            let name = store == ownStore ? BlobStores.own : store
            // One that is not configured any more may stay, so that the rest of its pool can be changed.
            guard !store.isEmpty, stores.has(name) || name == before else {
                let known = stores.names.map { $0.isEmpty ? ownStore : $0 }.joined(separator: ", ")
                throw Problem.invalid("store", "there is no store ‘\(store)’; there are: \(known)")
            }
            return name
        }
    }

    private struct View: Encodable {
        var id: String
        var name: String
        var store: String
        var maxFileSize: Int64?
        var acceptTypes: [String]
        var allowEncryption: Bool
        var costFactor: Double
        var `default`: Bool
        var available: Bool?

        /// - Parameter available: whether its store can be reached, if that is known.
        init(_ pool: Pool, available: Bool? = nil) {
            self.available = available
            id = pool.id
            name = pool.name
            store = pool.store.isEmpty ? ownStore : pool.store
            maxFileSize = pool.fileBytesMax
            acceptTypes = pool.acceptTypes
            allowEncryption = pool.allowsEncryption
            costFactor = pool.costFactor
            `default` = pool.isDefault
        }

        static let schema = Schema.object([
            "id": .uuid, "name": .string,
            "store": Schema.string.described("where its uploads go; `default`: to the installation's own"),
            "maxFileSize": .integer.optional, "acceptTypes": .array(of: .string), "allowEncryption": .boolean,
            "costFactor": .number, "default": .boolean,
            "available": Schema.boolean.described("whether its store can be reached; only where pools are read").optional,
        ])
    }

    private func doc(_ id: String, _ summary: String, _ scope: Scope) -> RouteDoc {
        RouteDoc(id, summary, tag: "files", access: .scope(scope))
    }

    func mount(_ catalog: RouteCatalog) {
        catalog.component("Pool", View.schema)
        let list = doc("listPools", "Lists the pools", .filesWrite).answer(200, "all pools, by name", .array(of: .ref("Pool")))
        catalog.route(.get, Self.path, list) { _, context in
            let tenant = try context.requirePrincipal().tenant
            let pools = try await feature.database.read(of: tenant) { try PoolStore().all(of: tenant, in: $0) }
            let away = await feature.storeHealth.away()
            return try JSONAnswer(pools.map { View($0, available: feature.stores.has($0.store) && !away.contains($0.store)) })
        }

        let show = doc("showPool", "Shows a pool", .filesWrite).path("id", .uuid).answer(200, "the pool", .ref("Pool"))
        catalog.route(.get, "\(Self.path)/{id}", show) { _, context in
            let tenant = try context.requirePrincipal().tenant
            let id = try context.pathID("id")
            guard let pool = try await feature.database.read(of: tenant, { try PoolStore().find(id, of: tenant, in: $0) }) else {
                throw Self.missing
            }
            let isAway = await feature.storeHealth.away().contains(pool.store)
            return try JSONAnswer(View(pool, available: feature.stores.has(pool.store) && !isAway))
        }
        mountChanges(catalog)
    }

    private static var missing: Problem { .notFound("there is no such pool") }

    private func mountChanges(_ catalog: RouteCatalog) {
        let create = doc("createPool", "Makes a pool", .tenantAdmin).body(Body.schema)
            .answer(201, "the pool", .ref("Pool"), headers: ["Location"])
        catalog.change(.post, Self.path, create) { request, context, ticket in
            let tenant = try context.require(.tenantAdmin).tenant
            let now = feature.floor.time.now()
            let pool = try await request.json(Body.self).value.pool(
                id: feature.newID(at: now), nil, feature.stores, createdAt: now, now: now)
            return try await feature.writing(for: context) { session in
                try PoolStore().put(pool, of: tenant, in: session)
                let answer = try StoredAnswer(status: 201, json: View(pool), headers: [.location: "\(Self.path)/\(pool.id)"])
                try ticket.settle(session, answer, auditing: AuditEntry(.poolStore, pool.id))
                return answer
            }
        }

        let change = doc("changePool", "Changes a pool", .tenantAdmin).path("id", .uuid).body(Body.schema)
            .answer(200, "the pool", .ref("Pool"))
        catalog.change(.put, "\(Self.path)/{id}", change) { request, context, ticket in
            let tenant = try context.require(.tenantAdmin).tenant
            let id = try context.pathID("id")
            let now = feature.floor.time.now()
            let body = try await request.json(Body.self).value
            return try await feature.writing(for: context) { session in
                guard let before = try PoolStore().find(id, of: tenant, in: session) else { throw Self.missing }
                var pool = try body.pool(id: id, before, feature.stores, createdAt: before.createdAt, now: now)
                // There is always one; another takes its place by becoming it.
                pool.isDefault = pool.isDefault || before.isDefault
                try PoolStore().put(pool, of: tenant, in: session)
                let answer = try StoredAnswer(status: 200, json: View(pool))
                try ticket.settle(session, answer, auditing: AuditEntry(.poolStore, pool.id))
                return answer
            }
        }

        let remove = doc("removePool", "Removes a pool that nothing is in", .tenantAdmin).path("id", .uuid).problems(409)
            .answer(204, "it is gone")
        catalog.change(.delete, "\(Self.path)/{id}", remove) { _, context, ticket in
            let tenant = try context.require(.tenantAdmin).tenant
            let id = try context.pathID("id")
            return try await feature.writing(for: context) { session in
                guard let pool = try PoolStore().find(id, of: tenant, in: session) else { throw Self.missing }
                guard !pool.isDefault, id != Pool.standardID else { throw Problem.conflict("a default pool stays") }
                guard try !PoolStore().isUsed(id, of: tenant, in: session) else {
                    throw Problem.conflict("there are files in it")
                }
                try PoolStore().remove(id, of: tenant, in: session)
                try ticket.settle(session, .noContent, auditing: AuditEntry(.poolRemove, id))
                return StoredAnswer.noContent
            }
        }
    }
}

extension DriveFeature {
    /// A new UUID of version 7.
    func newID(at now: Timestamp) -> String { ids.next(at: now).text }
}
