import AuditTrail
import Foundation
import HTTPTypes
import Hummingbird
import HummingbirdTesting
import NIOCore
import Testing
import WaybillDatabases
import WaybillEngine
import Web

@testable import Notify

@Suite struct NotifyRoutesTests {
    private struct Page: Decodable {
        struct Entry: Decodable {
            var id: String
            var title: String
            var jobId: String
            var outcome: String
            var link: String?
            var readAt: String?
        }

        var notifications: [Entry]
        var unread: Int
        var page: Int
        var size: Int
        var total: Int
    }

    private func serve<T: Sendable>(
        _ fixture: NotifyFixture, _ test: @Sendable (any TestClientProtocol, WebFloor) async throws -> T
    ) async throws -> T {
        let key = try #require(SigningKey(text: "a key for tests, thirty-two bytes or more"))
        let floor = WebFloor(
            database: fixture.database, audit: AuditStore(isEnabled: false), key: key, issuers: IssuerPolicy(),
            time: fixture.time,
            random: { [UInt8](repeating: 7, count: $0) },
            rate: .init(), streams: .init(), logger: fixture.logger)
        let catalog = RouteCatalog(floor)
        NotifyRoutes(floor: floor, database: fixture.database).mount(catalog)
        let app = Application(responder: catalog.responder(), logger: fixture.logger)
        return try await app.test(.router) { try await test($0, floor) }
    }

    private func bearer(_ floor: WebFloor, _ user: String, _ tenant: String = "acme") throws -> HTTPFields {
        let tenant = try #require(TenantID(tenant))
        let token = floor.tokens.sign(
            tenant: tenant, user: user, roles: ["reader"], lifetime: .seconds(600), now: floor.time.now()
        ).token
        return [.authorization: "Bearer \(token)"]
    }

    private func page(_ body: ByteBuffer) throws -> Page {
        try JSONDecoder().decode(Page.self, from: Data(body.readableBytesView))
    }

    private func filled() async throws -> NotifyFixture {
        let fixture = try await NotifyFixture()
        let (ann, bob) = (try fixture.principal("ann"), try fixture.principal("bob"))
        try await fixture.running {
            for index in 0..<5 { _ = try await fixture.ended(fixture.engine.enqueue(Exporting.self, index != 3, for: ann)) }
            _ = try await fixture.ended(fixture.engine.enqueue(Other.self, Nothing(), for: bob))
        }
        try await fixture.service().catchUp()
        return fixture
    }

    @Test("one sees one's own notices, newest first, page by page")
    func list() async throws {
        let fixture = try await filled()
        try await serve(fixture) { client, floor in
            let first = try await client.execute(uri: "/notifications?size=2", method: .get, headers: bearer(floor, "ann"))
            #expect(first.status == .ok)
            #expect(first.headers[.total] == "5")
            let page = try page(first.body)
            #expect(page.notifications.count == 2 && page.total == 5 && page.unread == 5 && page.page == 1 && page.size == 2)
            #expect(page.notifications.map(\.outcome) == ["completed", "failed"])
            #expect(page.notifications.allSatisfy { $0.link == "/content/export/\($0.jobId)" && $0.readAt == nil })
            let last = try await self.page(
                client.execute(uri: "/notifications?size=2&page=3", method: .get, headers: bearer(floor, "ann")).body)
            #expect(last.notifications.count == 1)
            let his = try await self.page(client.execute(uri: "/notifications", method: .get, headers: bearer(floor, "bob")).body)
            #expect(his.notifications.map(\.title) == ["Job completed"])
            let hers = try await self.page(
                client.execute(uri: "/notifications", method: .get, headers: bearer(floor, "ann", "umbra")).body)
            #expect(hers.notifications.isEmpty && hers.unread == 0)
            for wrong in ["size=0", "page=0", "unread=yes", "x=1"] {
                let refused = try await client.execute(
                    uri: "/notifications?\(wrong)", method: .get, headers: bearer(floor, "ann"))
                #expect(refused.status == .badRequest, "\(wrong)")
            }
            #expect(try await client.execute(uri: "/notifications", method: .get).status == .unauthorized)
        }
    }

    @Test("a notice is read once and keeps its time; that of another is not there")
    func read() async throws {
        let fixture = try await filled()
        try await serve(fixture) { client, floor in
            let all = try await page(client.execute(uri: "/notifications", method: .get, headers: bearer(floor, "ann")).body)
            let id = try #require(all.notifications.first?.id)
            let read = try await client.execute(uri: "/notifications/\(id)/read", method: .post, headers: bearer(floor, "ann"))
            #expect(read.status == .ok)
            let once = try JSONDecoder().decode(Page.Entry.self, from: Data(read.body.readableBytesView))
            #expect(once.id == id && once.readAt != nil)
            fixture.time.advance(.seconds(60))
            let again = try await client.execute(uri: "/notifications/\(id)/read", method: .post, headers: bearer(floor, "ann"))
            #expect(try JSONDecoder().decode(Page.Entry.self, from: Data(again.body.readableBytesView)).readAt == once.readAt)
            let left = try await page(
                client.execute(uri: "/notifications?unread=true", method: .get, headers: bearer(floor, "ann")).body)
            #expect(left.unread == 4 && left.total == 4 && !left.notifications.contains { $0.id == id })
            for (user, wrong) in [
                ("bob", id), ("ann", "99999"), ("ann", "0\(id)"), ("ann", "x"), ("ann", "99999999999999999999"),
            ] {
                let missing = try await client.execute(
                    uri: "/notifications/\(wrong)/read", method: .post, headers: bearer(floor, user))
                #expect(missing.status == .notFound, "\(user) \(wrong)")
            }
        }
    }
}
