import Datasets
import Formats
import Hummingbird
import WaybillDatabases
import WaybillEngine
import Web

/// `/content/types/{type}/items`: items one by one, and as a stream.
struct ContentItemRoutes: Sendable {
    let feature: ContentFeature

    func mount(_ catalog: RouteCatalog) {
        mountOne(catalog)
        let upload = RouteDoc("uploadItems", "Stores items from a stream", tag: "content", access: .scope(.contentWrite))
            .described("Inserts or updates by `id`, in order. At the first bad line it stops; what was stored before it stays.")
            .body(media: "application/x-ndjson").body(media: "text/csv").query(
                "delimiter", .string(1...1), "of CSV; a comma by default"
            )
            .answer(200, "all are stored", .object(["inserted": .integer(min: 0), "updated": .integer(min: 0)])).problems(409)
        catalog.route(.post, "/content/types/{type}/items", upload) { request, context in
            let principal = try context.require(.contentWrite)
            let format = try IntakeFormat(request.headers[.contentType], delimiter: context.query["delimiter"])
            let name = try context.path("type")
            let (type, _) = try await feature.database.read { try feature.type(name, of: principal.tenant, in: $0) }
            return try JSONAnswer(try await store(request.body, format, type, principal.tenant))
        }
    }

    private struct Stored: Encodable, Sendable {
        var inserted = 0
        var updated = 0
    }

    /// Stores a stream in batches, each a short transaction.
    private func store(_ body: RequestBody, _ format: IntakeFormat, _ type: ContentType, _ tenant: TenantID) async throws
        -> Stored
    {
        let intake = ItemIntake(format: format, type: type)
        var stored = Stored()
        func write(_ items: [EncodedItem]) async throws {
            guard !items.isEmpty else { return }
            let outcome = try await feature.upsert(ItemBatch(items, of: type), for: tenant)
            stored.inserted += outcome.inserted
            stored.updated += outcome.updated
        }
        func drain(atEnd: Bool) async throws {
            while true {
                let batch = intake.batch(rows: ContentFeature.batchRows)
                if let failure = batch.failures.first {
                    try await write(batch.items)
                    throw Self.problem(failure, stored: stored.inserted + stored.updated)
                }
                if batch.items.count == ContentFeature.batchRows || atEnd {
                    try await write(batch.items)
                } else {
                    intake.putBack(batch.items)
                }
                if batch.items.count < ContentFeature.batchRows { return }
            }
        }
        for try await buffer in body {
            buffer.withUnsafeReadableBytes { intake.push(UnsafeBufferPointer(rebasing: $0.bindMemory(to: UInt8.self)[...])) }
            try await drain(atEnd: false)
        }
        intake.finish()
        try await drain(atEnd: true)
        return stored
    }

    private static func problem(_ failure: RowFailure, stored: Int) -> Problem {
        Problem(
            .init(400, "BAD_LINE", "A line can't be stored"), "line \(failure.line): \(failure.message)",
            details: [
                [
                    "field": .string(failure.field ?? "body"), "reason": .string(failure.message),
                    "lineCode": .string(failure.code), "line": .integer(Int64(failure.line)),
                ]
            ]
        ).with("line", .integer(Int64(failure.line))).with("stored", .integer(Int64(stored)))
    }

    private func mountOne(_ catalog: RouteCatalog) {
        let path = "/content/types/{type}/items/{id}"
        let put = RouteDoc("putItem", "Stores an item", tag: "content", access: .scope(.contentWrite))
            .described("A flat object of the type's fields; `readers` and `language` are reserved names.")
            .body(.anyObject).answer(200, "changed", .anyObject).answer(201, "made", .anyObject).problems(409)
        catalog.route(.put, path, put) { request, context in
            let principal = try context.require(.contentWrite)
            let (name, id) = (try context.path("type"), try context.path("id"))
            let (_, bytes) = try await request.jsonValue()
            let (item, isNew) = try await feature.writing { session in
                let (type, space) = try feature.type(name, of: principal.tenant, in: session)
                let encoded = try bytes.withUnsafeBufferPointer { try ItemEncoder(type: type).encode(json: $0, id: id) }
                let store = ContentStore()
                let writing = try store.writing(for: principal.tenant, in: session)
                let outcome = try store.upsert(ItemBatch([encoded], of: type), by: writing, in: session)
                return (try store.item(id, of: type, space: space, in: session), outcome.inserted > 0)
            }
            return try Self.answer(item, status: isNew ? 201 : 200)
        }

        let show = RouteDoc("showItem", "Shows an item", tag: "content", access: .scope(.contentRead)).answer(
            200, "the item", .anyObject)
        catalog.route(.get, path, show) { _, context in
            let principal = try context.require(.contentRead)
            let (name, id) = (try context.path("type"), try context.path("id"))
            let item = try await feature.database.read { session in
                let (type, space) = try feature.type(name, of: principal.tenant, in: session)
                let store = ContentStore()
                let readable = try store.readable(by: principal, of: type, space: space, in: session)
                return try store.item(id, of: type, readable: readable, space: space, in: session)
            }
            return try Self.answer(item, status: 200)
        }

        let delete = RouteDoc("deleteItem", "Deletes an item", tag: "content", access: .scope(.contentWrite)).answer(
            204, "deleted")
        catalog.route(.delete, path, delete) { _, context in
            let principal = try context.require(.contentWrite)
            let (name, id) = (try context.path("type"), try context.path("id"))
            let isDeleted = try await feature.writing { session in
                let (type, _) = try feature.type(name, of: principal.tenant, in: session)
                let store = ContentStore()
                return try store.delete(id: id, of: type, by: try store.writing(for: principal.tenant, in: session), in: session)
            }
            guard isDeleted else { throw Problem.notFound("there is no such item") }
            return Response(status: .noContent)
        }
    }

    private static func answer(_ item: StoredItem?, status: Int) throws -> StoredAnswer {
        guard let item else { throw Problem.notFound("there is no such item") }
        let out = OutputBuffer(capacity: item.body.utf8.count + 256)
        item.append(to: out)
        return StoredAnswer(status: status, headers: [.contentType: "application/json"], body: out.takeBytes())
    }
}
