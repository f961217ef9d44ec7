import AuditTrail
import HTTPTypes
import Hummingbird
import WaybillDatabases
import WaybillEngine
import Web

/// `/notifications`: one's own notices.
public struct NotifyRoutes: Sendable {
    private let floor: WebFloor
    private let database: any SQLDatabase
    private let store = NotifyStore()

    public init(floor: WebFloor, database: any SQLDatabase) {
        self.floor = floor
        self.database = database
    }

    public func mount(_ catalog: RouteCatalog) {
        catalog.component("Notification", NoticeView.schema)
        let list = RouteDoc("listNotifications", "Lists one's notices, newest first", tag: "notifications", access: .signedIn)
            .described("One for each job of one's own that has ended. They go after 30 days unless configured otherwise.")
            .query("unread", .boolean, "only those that have not been read").paged()
            .answer(200, "a page of notices", NoticePage.schema, headers: ["X-Total"])
        catalog.route(.get, "/notifications", list) { _, context in try await self.list(context) }

        let read = RouteDoc("readNotification", "Marks a notice as read", tag: "notifications", access: .signedIn)
            .path("id", .string(1...19, pattern: "^[1-9][0-9]*$")).answer(200, "the notice", .ref("Notification"))
        catalog.change(.post, "/notifications/{id}/read", read) { _, context, ticket in try await self.read(context, ticket) }
    }

    private func list(_ context: WebContext) async throws -> JSONAnswer {
        let principal = try context.requirePrincipal()
        let paging = try Paging(context.query)
        let isUnreadOnly = try context.query.bool("unread") ?? false
        let found = try await database.read(of: principal.tenant) { [store] session in
            try store.list(
                tenant: principal.tenant, user: principal.user, isUnreadOnly: isUnreadOnly, offset: paging.offset,
                limit: paging.size,
                in: session)
        }
        let page = NoticePage(
            notifications: found.notices.map(NoticeView.init), unread: found.unread, page: paging.page, size: paging.size,
            total: found.total)
        return try JSONAnswer(page, headers: [.total: "\(found.total)"])
    }

    private func read(_ context: WebContext, _ ticket: IdempotencyTicket) async throws -> StoredAnswer {
        let principal = try context.requirePrincipal()
        let text = try context.path("id")
        let now = floor.time.now()
        // Only the one way to write a number names a notice.
        let missing = Problem.notFound("there is no notice \(text)")
        guard let number = Int64(text), "\(number)" == text else { throw missing }
        return try await database.write(of: principal.tenant) { [store] session in
            guard
                let notice = try store.read(
                    tenant: principal.tenant, user: principal.user, number: number, now: now, in: session)
            else { throw missing }
            let answer = try StoredAnswer(status: 200, json: NoticeView(notice))
            try ticket.settle(session, answer, auditing: AuditEntry(.noticeRead, text))
            return answer
        }
    }
}

private struct NoticePage: Encodable {
    var notifications: [NoticeView]
    var unread: Int
    var page: Int
    var size: Int
    var total: Int

    static let schema = Schema.object([
        "notifications": .array(of: .ref("Notification")), "unread": .integer(min: 0), "page": .integer(min: 1),
        "size": .integer(1...200), "total": .integer(min: 0),
    ])
}

private struct NoticeView: Encodable {
    var id: String
    var title: String
    var message: String
    var jobId: String
    var kind: String
    var outcome: JobState
    var link: String?
    var createdAt: WireTime
    var readAt: WireTime?

    init(_ notice: Notice) {
        id = "\(notice.number)"
        title = notice.title
        message = notice.message
        jobId = notice.job.text
        kind = notice.kind
        outcome = notice.outcome
        link = notice.link
        createdAt = WireTime(notice.createdAt)
        readAt = WireTime(notice.readAt)
    }

    static let schema = Schema.object([
        "id": .string, "title": .string, "message": .string, "jobId": .uuid, "kind": .string,
        "outcome": .enumeration(JobState.allCases.filter(\.isFinal).map(\.rawValue)), "link": .uri.optional,
        "createdAt": .dateTime,
        "readAt": .dateTime.optional,
    ])
}
