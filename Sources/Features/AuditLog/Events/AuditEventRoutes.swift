import AuditTrail
import Formats
import HTTPTypes
import Hummingbird
import WaybillDatabases
import WaybillEngine
import Web

/// `/audit-log/events`: what other programs append, and what there is. Nothing here changes or deletes an event.
struct AuditEventRoutes: Sendable {
    static let path = "/audit-log/events"

    let feature: AuditLogFeature

    func mount(_ catalog: RouteCatalog) {
        catalog.component("AuditEvent", AuditEventText.schema)
        let append = RouteDoc(
            "appendAuditEvents", "Appends events of other programs", tag: "audit log", access: .scope(.auditWrite)
        )
        .described(
            "A JSON array is stored whole or not at all. A stream of lines is stored in order; at the first bad line it stops, "
                + "and what was stored before it stays. An event whose `id` is known is passed over, so that a stream can be "
                + "sent again."
        )
        .body(media: "application/json", .array(of: AuditEventReader.schema)).body(media: "application/x-ndjson").answer(
            200, "all are stored",
            .object([
                "stored": .integer(min: 0), "known": .integer(min: 0).described("were there already"),
                "last": .integer(min: 0).described("the `seq` of the log's last event then"),
            ])
        ).problems(409)
        catalog.change(.post, Self.path, append) { request, context, ticket in
            try context.require(.auditWrite)
            try feature.requireEnabled()
            let intake = AuditIntake(feature: feature, context: context, ticket: ticket)
            let isArray = request.headers[.contentType]?.lowercased().hasPrefix("application/json") ?? true
            return try await isArray ? intake.takeArray(request) : intake.takeLines(request.body)
        }
        mountList(catalog)
    }

    private struct Order: Sendable {
        var filter: AuditFilter
        var cursor: Int64?
        var isDescending: Bool
        var limit: Int

        enum Direction: String, CaseIterable { case asc, desc }

        init(_ query: QueryParameters) throws {
            filter = try AuditFilterBody(query)?.filter(at: "") ?? AuditFilter()
            isDescending = try query.choice("order", Direction.self) != .asc
            limit = try query.integer("limit", in: 1...1000) ?? 100
            cursor = try query.integer("cursor", in: Int.min...Int.max).map { Int64($0) }
        }
    }

    private func mountList(_ catalog: RouteCatalog) {
        let list = AuditFilterBody.parameters(
            RouteDoc("listAuditEvents", "Lists events", tag: "audit log", access: .scope(.auditExport))
        )
        .described(
            "A page may hold fewer events than its limit, or none, though more follow: it is the last one if it has no `next`."
        )
        .query("order", .enumeration(["asc", "desc"]), "newest first by default")
        .query("limit", .integer(1...1000), "at most this many; 100 by default")
        .query("cursor", .integer, "`next` of the page before")
        .answer(200, "a page of events", .object(["events": .array(of: .ref("AuditEvent")), "next": .integer.optional]))
        catalog.route(.get, Self.path, list) { _, context in
            let principal = try context.require(.auditExport)
            let order = try Order(context.query)
            let body = try await feature.database.read(of: principal.tenant) { [audit = feature.floor.audit] session in
                let out = OutputBuffer(capacity: 1 << 16)
                out.append("{\"events\":[")
                var isFirst = true
                let next = try audit.page(
                    order.filter, of: principal.tenant, cursor: order.cursor, isDescending: order.isDescending,
                    limit: order.limit, in: session
                ) { seq, body in
                    if !isFirst { out.append(UInt8(ascii: ",")) }
                    isFirst = false
                    AuditEventText.append(seq, body, to: out)
                }
                out.append(UInt8(ascii: "]"))
                if let next {
                    out.append(",\"next\":")
                    out.appendDecimal(next)
                }
                out.append(UInt8(ascii: "}"))
                return out.takeBytes()
            }
            return StoredAnswer(status: 200, headers: [.contentType: "application/json"], body: body)
        }
    }
}

/// Takes events in, in bounded memory.
private struct AuditIntake: Sendable {
    private static let eventsAtOnce = 1000
    private static let bytesAtOnce = 1 << 20

    struct Stored: Encodable, Sendable {
        var stored = 0
        var known = 0
        var last: Int64 = 0
    }

    let feature: AuditLogFeature
    let context: WebContext
    let ticket: IdempotencyTicket

    func takeArray(_ request: Request) async throws -> StoredAnswer {
        let (json, _) = try await request.jsonValue()
        guard let values = json.array else { throw Problem.invalid("body", "must be an array of events") }
        var events: [AuditEvent] = []
        for (index, value) in values.enumerated() {
            do {
                events.append(try AuditEventReader.event(value))
            } catch {
                throw Problem.invalid("[\(index)].\(error.field)", error.reason)
            }
        }
        return try await write(events, behind: Stored(), isLast: true).1
    }

    /// Stores a stream in batches, each a short transaction; the last one settles the ticket.
    func takeLines(_ body: RequestBody) async throws -> StoredAnswer {
        let lines = LineSplitter()
        var stored = Stored()
        var events: [AuditEvent] = []
        var bytes = 0
        func drain() async throws {
            while let item = lines.next() {
                let (line, number, fault) = Self.read(item)
                guard let line else {
                    if !events.isEmpty { stored = try await write(events, behind: stored, isLast: false).0 }
                    throw Self.problem(fault, line: number, stored: stored)
                }
                events.append(line)
                bytes += 256 + (line.target?.utf8.count ?? 0)
                if events.count >= Self.eventsAtOnce || bytes >= Self.bytesAtOnce {
                    stored = try await write(events, behind: stored, isLast: false).0
                    (events, bytes) = ([], 0)
                }
            }
        }
        for try await buffer in body {
            buffer.withUnsafeReadableBytes { lines.push(UnsafeBufferPointer(rebasing: $0.bindMemory(to: UInt8.self)[...])) }
            try await drain()
        }
        lines.finish()
        try await drain()
        return try await write(events, behind: stored, isLast: true).1
    }

    private static func read(_ item: LineItem) -> (AuditEvent?, number: Int, AuditEventFault) {
        switch item {
        case .tooLong(let number):
            return (nil, number, AuditEventFault(field: "event", reason: "the line has more than 1 MiB"))
        case .line(let bytes, let number):
            do {
                let event = try AuditEventReader.event(try Web.JSONValue.parse(Array(bytes)))
                return (event, number, AuditEventFault(field: "", reason: ""))
            } catch let fault as AuditEventFault {
                return (nil, number, fault)
            } catch {
                return (nil, number, AuditEventFault(field: "event", reason: "the line is no JSON"))
            }
        }
    }

    private func write(_ events: [AuditEvent], behind before: Stored, isLast: Bool) async throws -> (Stored, StoredAnswer) {
        let tenant = try context.requirePrincipal().tenant
        let audit = feature.floor.audit
        return try await feature.database.write(of: tenant) { [context, ticket] session in
            try TenantGate.admit(tenant, since: context.arrivedAt, in: session)
            let (count, last) = try Self.append(events, of: tenant, audit, in: session)
            var stored = before
            stored.stored += count
            stored.known += events.count - count
            stored.last = last
            let answer = try StoredAnswer(status: 200, json: stored)
            // They are events themselves.
            if isLast { try ticket.settle(session, answer, auditing: nil) }
            return (stored, answer)
        }
    }

    private static func append(
        _ events: [AuditEvent], of tenant: TenantID, _ audit: AuditStore, in session: any SQLSession
    ) throws -> (Int, Int64) {
        do {
            return try audit.append(events, of: tenant, in: session)
        } catch let error as AuditEventArriving {
            throw Problem(
                .init(409, "AUDIT_EVENT_ARRIVING", "A restore is bringing this event"),
                "the event ‘\(error.id.prefix(100))’ is among those of a restore under way; send it again once that has ended"
            )
        }
    }

    private static func problem(_ fault: AuditEventFault, line: Int, stored: Stored) -> Problem {
        let number = Web.JSONValue.integer(Int64(line))
        return Problem(
            .init(400, "BAD_LINE", "A line can't be stored"), "line \(line): \(fault.field): \(fault.reason)",
            details: [["field": .string(fault.field), "reason": .string(fault.reason), "line": number]]
        ).with("line", number).with("stored", .integer(Int64(stored.stored + stored.known)))
    }
}
