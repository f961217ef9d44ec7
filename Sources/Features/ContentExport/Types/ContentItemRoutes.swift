import AuditTrail
import Datasets
import Formats
import Hummingbird
import SeededBugs
import Synchronization
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
        catalog.change(.post, "/content/types/{type}/items", upload) { request, context, ticket in
            let principal = try context.require(.contentWrite)
            let format = try IntakeFormat(request.headers[.contentType], delimiter: context.query["delimiter"])
            let name = try context.path("type")
            let (type, _) = try await feature.database.read(of: principal.tenant) {
                try feature.type(name, of: principal.tenant, in: $0)
            }
            return try await store(request.body, format, type, context, ticket)
        }
    }

    private struct Stored: Encodable, Sendable {
        var inserted = 0
        var updated = 0
    }

    /// Stores a stream in batches, each a short transaction; the last one settles the ticket.
    private func store(
        _ body: RequestBody, _ format: IntakeFormat, _ type: ContentType, _ context: WebContext, _ ticket: IdempotencyTicket
    ) async throws -> StoredAnswer {
        let intake = ItemIntake(format: format, type: type)
        var stored = Stored()
        var limit = BatchLimit()
        func add(_ items: [EncodedItem]) async throws {
            guard !items.isEmpty else { return }
            let before = stored
            let written = try await write(ItemBatch(items, of: type), behind: before, context, ticket, isLast: false)
            stored = written.stored
            let outcome = UpsertOutcome(inserted: stored.inserted - before.inserted, updated: stored.updated - before.updated)
            limit = limit.after(outcome, took: written.took, rowsMax: BatchLimit.newRowsMax)
        }
        func drain() async throws -> ItemIntake.Batch {
            while true {
                var batch = intake.batch(limit)
                if let failure = batch.failures.first {
                    try await add(batch.items)
                    throw Self.problem(failure, stored: stored.inserted + stored.updated)
                }
                guard batch.isFull else {
                    if SeededBug.losesBatch, !batch.items.isEmpty { batch.items.removeLast() }
                    return batch
                }
                try await add(batch.items)
            }
        }
        for try await buffer in body {
            buffer.withUnsafeReadableBytes { intake.push(UnsafeBufferPointer(rebasing: $0.bindMemory(to: UInt8.self)[...])) }
            intake.putBack(try await drain())
        }
        intake.finish()
        return try await write(ItemBatch(try await drain().items, of: type), behind: stored, context, ticket, isLast: true).answer
    }

    /// Stores a batch, and counts it to what was stored before.
    private func write(
        _ batch: ItemBatch, behind before: Stored, _ context: WebContext, _ ticket: IdempotencyTicket, isLast: Bool
    ) async throws -> (stored: Stored, answer: StoredAnswer, took: Duration) {
        let tenant = try context.requirePrincipal().tenant
        let time = feature.floor.time
        let began = Mutex(time.now())
        let (stored, answer) = try await feature.writing(for: context) { session in
            began.withLock { $0 = time.now() }
            let store = ContentStore()
            var stored = before
            let outcome = try store.upsert(batch, by: try store.writing(for: tenant, in: session), in: session)
            stored.inserted += outcome.inserted
            stored.updated += outcome.updated
            let answer = try StoredAnswer(status: 200, json: stored)
            let isNews = !batch.items.isEmpty || before.inserted + before.updated == 0
            let entry = isNews ? AuditEntry(.contentItemsStore, batch.type.name, details: batch.auditDetails(outcome)) : nil
            if isLast {
                try ticket.settle(session, answer, auditing: entry)
            } else if let entry {
                try ticket.record(entry, in: session)
            }
            return (stored, answer)
        }
        return (stored, answer, time.now().since(began.withLock { $0 }))
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
        catalog.change(.put, path, put) { request, context, ticket in
            let principal = try context.require(.contentWrite)
            let (name, id) = (try context.path("type"), try context.path("id"))
            let (_, bytes) = try await request.jsonValue()
            return try await feature.writing(for: context) { session in
                let (type, space) = try feature.type(name, of: principal.tenant, in: session)
                let encoded = try bytes.withUnsafeBufferPointer { try ItemEncoder(type: type).encode(json: $0, id: id) }
                let store = ContentStore()
                let writing = try store.writing(for: principal.tenant, in: session)
                let outcome = try store.upsert(ItemBatch([encoded], of: type), by: writing, in: session)
                let item = try store.item(id, of: type, space: space, in: session)
                let answer = try Self.answer(item, status: outcome.inserted > 0 ? 201 : 200)
                try ticket.settle(session, answer, auditing: AuditEntry(.contentItemStore, "\(name)/\(id)"))
                return answer
            }
        }

        let show = RouteDoc("showItem", "Shows an item", tag: "content", access: .scope(.contentRead)).answer(
            200, "the item", .anyObject)
        catalog.route(.get, path, show) { _, context in
            let principal = try context.require(.contentRead)
            let (name, id) = (try context.path("type"), try context.path("id"))
            let item = try await feature.database.read(of: principal.tenant) { session in
                let (type, space) = try feature.type(name, of: principal.tenant, in: session)
                let store = ContentStore()
                let readable = try store.readable(by: principal, of: type, space: space, in: session)
                return try store.item(id, of: type, readable: readable, space: space, in: session)
            }
            return try Self.answer(item, status: 200)
        }

        let delete = RouteDoc("deleteItem", "Deletes an item", tag: "content", access: .scope(.contentWrite)).answer(
            204, "deleted")
        catalog.change(.delete, path, delete) { _, context, ticket in
            let principal = try context.require(.contentWrite)
            let (name, id) = (try context.path("type"), try context.path("id"))
            return try await feature.writing(for: context) { session in
                let (type, _) = try feature.type(name, of: principal.tenant, in: session)
                let store = ContentStore()
                let writing = try store.writing(for: principal.tenant, in: session)
                guard try store.delete(id: id, of: type, by: writing, at: context.arrivedAt, in: session) else {
                    throw Problem.notFound("there is no such item")
                }
                try ticket.settle(session, .noContent, auditing: AuditEntry(.contentItemDelete, "\(name)/\(id)"))
                return .noContent
            }
        }
    }

    private static func answer(_ item: StoredItem?, status: Int) throws -> StoredAnswer {
        guard let item else { throw Problem.notFound("there is no such item") }
        let out = OutputBuffer(capacity: item.body.utf8.count + 256)
        item.append(to: out)
        return StoredAnswer(status: status, headers: [.contentType: "application/json"], body: out.takeBytes())
    }
}

extension ItemBatch {
    /// What the audit log says of a batch: how many items, the first of them and the last.
    func auditDetails(_ outcome: UpsertOutcome) -> [AuditDetail] {
        let counts = [AuditDetail("inserted", outcome.inserted), AuditDetail("updated", outcome.updated)]
        guard let first = items.first, let last = items.last else { return counts }
        return counts + [AuditDetail("first", first.id), AuditDetail("last", last.id)]
    }
}
